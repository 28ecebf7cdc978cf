project        = "blakjaks-prod"
domain         = "blakjaks.com"
alert_channels = { emails = ["on-call@blakjaks.com"], sms = ["+12025550100"] } # a number for examples: put in that of whoever is on call
admin_networks = ["192.0.2.0/24", "198.51.100.7/32"]                           # the office, the operations VPN
