output "project" {
  value = var.project
}

output "region" {
  description = "The active one."
  value       = local.region
}

output "services" {
  description = "Cloud Run's name of each function."
  value       = { for name, function in local.functions : name => function.service }
}

output "migrate_url" {
  value = local.urls[local.region]["migrate"]
}

output "invoker_service_account" {
  description = "Who may call migrate; whoever deploys needs roles/iam.serviceAccountTokenCreator on it."
  value       = google_service_account.named["invoker"].email
}

output "gateway_url" {
  value = "https://${google_api_gateway_gateway.main[local.region].default_hostname}"
}

output "api_url" {
  description = "The API as clients call it: through the edge."
  value       = "https://${local.hosts.api}"
}

output "node" {
  description = "A Polygon node, from which a deployment asks the edge as somebody else than itself."
  value       = { name = google_compute_instance.node[var.chain.zones[0]].name, zone = var.chain.zones[0] }
}

output "source_bucket" {
  value = google_storage_bucket.sources.name
}

output "edge_address" {
  description = "What the DNS records of the hosts must point to."
  value       = { for name, host in local.hosts : host => google_compute_global_address.edge.address }
}

output "gateway_documents" {
  description = "What API Gateway is given, by region."
  value       = { for region, contract in module.contract : region => contract.document }
}
