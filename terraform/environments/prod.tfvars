project        = "blakjaks-prod"
domain         = "blakjaks.com"
alert_email    = "on-call@blakjaks.com"
admin_networks = ["192.0.2.0/24", "198.51.100.7/32"] # the office, the operations VPN
