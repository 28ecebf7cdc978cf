project        = "blakjaks-dev"
domain         = "dev.blakjaks.com"
alert_channels = { emails = ["dev-alerts@blakjaks.com"] }
admin_networks = ["192.0.2.0/24"] # the office
regions        = ["us-central1"]
keep_warm      = false
database       = { edition = "ENTERPRISE", tier = "db-custom-2-7680", disk_gb = 20, connections_max = 400 }
chain = { # Amoy, with a token of our own
  id           = 80002
  usdt_address = "0x0000000000000000000000000000000000000001"
  network      = "amoy"
  zones        = ["us-central1-b"]
  nodes_min    = 1 # nobody contradicts it; no real money is there
  machine_type = "n2-standard-8"
  disk_gb      = 1024
}
treasury_minimum = { gas = 1, usdt = 100 }
