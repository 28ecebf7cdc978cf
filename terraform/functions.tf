# Every folder with a function.yaml, in every region. HTTP functions are called by the gateway, those of admins and of the
# web site through the load balancer, jobs by topics, queues and schedules, which exist only for the active region.

locals {
  objects = { for name, built in jsondecode(file("${var.build_folder}/functions.json")).functions : name => built.object }

  placed = { for pair in setproduct(var.regions, keys(local.functions)) : "${pair[0]}/${pair[1]}" => { region = pair[0], name = pair[1] } }

  # What Python finds in its environment everywhere; shared/config.py reads it. Nothing here is a secret.
  settings = merge(
    {
      GOOGLE_CLOUD_PROJECT     = var.project
      CLOUD_TASKS_LOCATION     = local.region
      LIVE_STREAM_LOCATION     = local.region
      FUNCTION_URL             = local.url_templates[local.region]
      GATEWAY_SERVICE_ACCOUNT  = google_service_account.named["gateway"].email
      INVOKER_SERVICE_ACCOUNT  = google_service_account.named["invoker"].email
      TASKS_SERVICE_ACCOUNT    = google_service_account.named["invoker"].email
      FIREBASE_SERVICE_ACCOUNT = google_service_account.named["firebase"].email
      FILES_SERVICE_ACCOUNT    = google_service_account.named["files"].email
      DATABASE_INSTANCE        = local.database_instance
      DATABASE_NAME            = google_sql_database.main.name
      OWNER_USER               = trimsuffix(google_service_account.function["migrate"].email, ".gserviceaccount.com")
      ACCESS_TOKEN_ISSUER      = "https://${local.hosts.api}"
      ACCESS_TOKEN_KEY_VERSION = "${google_kms_crypto_key.signing["access-token-key"].id}/cryptoKeyVersions/1"
      DATA_KEY_KMS_KEY         = google_kms_crypto_key.envelope.id
      AGECHECKER_CALLBACK_URL  = "https://${local.hosts.api}/v1/webhooks/agechecker"
      AVATARS_URL              = "https://${local.hosts.media}"
      COOKIE_DOMAIN            = var.domain
      SITE_DOMAIN              = var.domain
      API_URL                  = "https://${local.hosts.api}"
      ALLOWED_ORIGINS          = join(",", local.origins)
      AGECHECKER_CALLBACK_URL  = "https://${local.hosts.api}/v1/webhooks/agechecker"
      CHAIN_ID                 = tostring(var.chain.id)
      USDT_ADDRESS             = var.chain.usdt_address
      RPC_URLS                 = join(",", local.rpc_urls)
      RPC_NODES_MIN            = tostring(var.chain.nodes_min)
      OOBIT_ADDRESSES          = join(",", var.oobit_addresses)
      FCM_PROJECT_ID           = var.project
      APNS_TEAM_ID             = var.apns.team_id
      APNS_KEY_ID              = var.apns.key_id

      RECONCILIATION_FIRST_BLOCK = tostring(var.chain.first_block)
      WALLET_PROVIDER_CLIENT_ID  = var.wallet_provider.client_id
      WALLET_PROVIDER_CONNECTION = var.wallet_provider.connection
    },
    { for name in local.treasuries : "TREASURY_KEY_VERSION_${upper(name)}" => "${google_kms_crypto_key.signing["${name}-treasury-key"].id}/cryptoKeyVersions/1" },
    { for name, bucket in google_storage_bucket.files : "${upper(name)}_BUCKET" => bucket.name },
  )

  ingress = { for name, function in local.functions : name => (
    function.admin || function.site ? "ALLOW_INTERNAL_AND_GCLB"
    : function.gateway || length(function.on_deploy) > 0 ? "ALLOW_ALL" # API Gateway and deployments come from outside; IAM lets nobody else in
    : "ALLOW_INTERNAL_ONLY"                                            # Pub/Sub, Cloud Tasks and Scheduler of this project are inside
  ) }
  callers = { for name, function in local.functions : name => (
    function.admin || function.site ? "everybody" # who passes Cloud Armor; the load balancer has no identity to show
    : function.gateway ? "gateway" : "invoker"
  ) }
}

resource "google_storage_bucket_object" "source" {
  for_each = local.functions
  bucket   = google_storage_bucket.sources.name
  name     = local.objects[each.key]
  source   = "${var.build_folder}/objects/${local.objects[each.key]}"
}

module "function" {
  source   = "./modules/function"
  for_each = local.placed

  name            = each.value.name
  function        = local.functions[each.value.name]
  region          = each.value.region
  project         = var.project
  source_object   = { bucket = google_storage_bucket.sources.name, name = google_storage_bucket_object.source[each.value.name].name }
  service_account = google_service_account.function[each.value.name].email
  build           = { service_account = google_service_account.named["builder"].id, repository = google_artifact_registry_repository.images[each.value.region].id }
  subnetwork      = { network = google_compute_network.main.id, subnetwork = google_compute_subnetwork.functions[each.value.region].id }
  ingress         = local.ingress[each.value.name]
  caller          = local.callers[each.value.name] == "everybody" ? "allUsers" : google_service_account.named[local.callers[each.value.name]].member
  keep_warm       = var.keep_warm && each.value.region == local.region
  canary          = contains(var.canary, each.value.name)
  settings = merge(local.settings, {
    OIDC_AUDIENCE = local.url_templates[each.value.region]
    DATABASE_USER = trimsuffix(google_service_account.function[each.value.name].email, ".gserviceaccount.com")
    FRONT         = local.functions[each.value.name].admin || local.functions[each.value.name].site ? "load_balancer" : "gateway"
    # Read when an instance starts: another version of the secret makes new revisions, so that all instances know it.
    EDGE_KEYS_VERSION = local.functions[each.value.name].gateway || local.functions[each.value.name].site ? data.google_secret_manager_secret_version.edge_keys.version : ""
  })

  # A revision that may not read its secrets or log in to its database does not start. A deployment applies migrate
  # first and alone (-target): whatever it may need is here.
  depends_on = [
    google_kms_key_ring_iam_member.function,
    google_project_iam_member.function,
    google_project_service.used,
    google_secret_manager_secret_iam_member.function,
    google_service_account_iam_member.function,
    google_sql_user.function,
    google_storage_bucket_iam_member.function,
  ]
}
