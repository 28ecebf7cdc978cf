# Fewer than twenty. Those without a default must be given: environments/dev.tfvars and prod.tfvars do.

variable "project" {
  description = "The Google Cloud project's id."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project must be the id of a Google Cloud project: 6 to 30 small letters, digits and hyphens."
  }
}

variable "domain" {
  description = "Of the web site; api., admin-api. and media. are put before it."
  type        = string
}

variable "admin_networks" {
  description = "Networks (CIDR) from which the admin functions can be reached; everybody else gets 403 at the edge."
  type        = set(string)
  validation {
    condition     = length(var.admin_networks) > 0 && !anytrue([for network in var.admin_networks : endswith(network, "/0")])
    error_message = "admin_networks must name at least one network, and not the whole internet."
  }
}

variable "alert_channels" {
  description = "Who hears of alerts: e-mail addresses of all, numbers for SMS (+ and the country's code) of what is urgent."
  type        = object({ emails = set(string), sms = optional(set(string), []) })
  validation {
    condition     = length(var.alert_channels.emails) > 0 && alltrue([for each in var.alert_channels.emails : can(regex("^[^@[:space:]]+@[a-z0-9-]+([.][a-z0-9-]+)+$", each))])
    error_message = "alert_channels.emails must name at least one e-mail address, and nothing else."
  }
  validation {
    condition     = alltrue([for each in var.alert_channels.sms : can(regex("^[+][1-9][0-9]{7,14}$", each))])
    error_message = "alert_channels.sms must be telephone numbers as +12025550100: a plus, the country's code, digits alone."
  }
}

variable "regions" {
  description = "The database's primary is in the first, its replica in the second; functions and a gateway are in each."
  type        = list(string)
  default     = ["us-central1", "us-east1"]
  validation {
    condition     = length(var.regions) >= 1 && length(var.regions) == length(distinct(var.regions))
    error_message = "regions must name at least one region, and none twice."
  }
}

variable "active_region" {
  description = "Where jobs run and which database is written to; the first region unless that one is lost."
  type        = string
  default     = null
  validation {
    condition     = var.active_region == null ? true : contains(var.regions, var.active_region)
    error_message = "active_region must be one of regions."
  }
}

variable "kms_location" {
  description = "Keys must outlive a region: a multi-region. It can never be changed."
  type        = string
  default     = "us"
}

variable "data_location" {
  description = "Of buckets; a multi-region."
  type        = string
  default     = "US"
}

variable "build_folder" {
  description = "What `make build` has written: functions.json and objects/."
  type        = string
  default     = "../.local/build"
}

variable "canary" {
  description = "Functions whose new revision gets no traffic until somebody gives it some (gcloud run services update-traffic)."
  type        = set(string)
  default     = []
}

variable "keep_warm" {
  description = "False: no function keeps an instance while nobody calls, whatever its function.yaml says."
  type        = bool
  default     = true
}

variable "database" {
  description = "Size of Cloud SQL."
  type = object({
    edition         = optional(string, "ENTERPRISE_PLUS")
    tier            = optional(string, "db-perf-optimized-N-16")
    disk_gb         = optional(number, 500)
    connections_max = optional(number, 4000)
  })
  default = {}
}

variable "chain" {
  description = "The chain, the token, and our nodes, one in each zone; every node must agree before money counts as moved."
  type = object({
    id             = number
    usdt_address   = string
    network        = string
    zones          = list(string)
    nodes_min      = optional(number, 2) # that must agree before money counts as moved; 1 is a choice of people
    first_block    = optional(number, 0) # no key of a treasury was funded or used before
    machine_type   = optional(string, "n2-standard-16")
    disk_gb        = optional(number, 8192)
    bor_image      = optional(string, "0xpolygon/bor:2.8.3")
    heimdall_image = optional(string, "0xpolygon/heimdall-v2:0.9.0")
  })
  default = {
    id           = 137
    usdt_address = "0xc2132D05D31c914a87C6611C10748AEb04B58e8F"
    network      = "mainnet"
    zones        = ["us-central1-b", "us-east1-c"]
  }
  validation {
    condition     = length(var.chain.zones) > 0 && can(regex("^0x[0-9a-fA-F]{40}$", var.chain.usdt_address))
    error_message = "chain must name a zone for at least one node, and the token's address."
  }
  validation {
    condition     = var.chain.nodes_min >= 1 && length(distinct(var.chain.zones)) >= var.chain.nodes_min
    error_message = "chain must name as many zones, and with them nodes, as nodes_min says must agree."
  }
  validation {
    condition     = var.chain.first_block >= 0 && floor(var.chain.first_block) == var.chain.first_block
    error_message = "chain.first_block must be the number of a block."
  }
}

variable "treasury_minimum" {
  description = "Below these a person is woken: the chain's coin for gas, and whole USDT, in each treasury."
  type        = object({ gas = optional(number, 20), usdt = optional(number, 25000) })
  default     = {}
}

variable "oobit_addresses" {
  description = "The addresses on the chain that get what members' cards spend, as Oobit names them."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for each in var.oobit_addresses : can(regex("^0x[0-9a-fA-F]{40}$", each))])
    error_message = "oobit_addresses must be addresses: 0x and 40 hexadecimal digits."
  }
}

variable "wallet_provider" {
  description = "Our project at MetaMask Embedded Wallets (its client id) and its custom connection; apps show both to everybody."
  type        = object({ client_id = optional(string, ""), connection = optional(string, "") })
  default     = {}
}

variable "apns" {
  description = "Apple's ids of the key that signs pushes; the key itself is the secret apns-key."
  type        = object({ team_id = optional(string, ""), key_id = optional(string, "") })
  default     = {}
}
