module "catalog" {
  source = "./modules/catalog"
  folder = "${path.root}/../functions"
}

locals {
  region    = coalesce(var.active_region, var.regions[0])
  functions = module.catalog.functions

  # Cloud Run's address of a service, known before it exists. {service} stays for the code to fill in.
  url_templates = { for region in var.regions : region => "https://{service}-${data.google_project.this.number}.${region}.run.app" }
  urls = { for region, template in local.url_templates : region => {
    for name, function in local.functions : name => replace(template, "{service}", function.service)
  } }

  hosts = {
    api   = "api.${var.domain}"
    admin = "admin-api.${var.domain}"
    media = "media.${var.domain}"
    site  = var.domain
  }

  origins = ["https://${var.domain}", "https://admin.${var.domain}"] # of our own web pages

  database_instance = local.region == var.regions[0] ? google_sql_database_instance.main.connection_name : google_sql_database_instance.replica[local.region].connection_name
}
