# secrets_come_from_secret_manager_only: local.settings: CODE_MAC_KEY in the environment

locals {
  settings = merge({ CHAIN_ID = "137", CODE_MAC_KEY = var.mac }, {})
}
