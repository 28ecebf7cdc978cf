# the_load_balancer_says_which_it_is: google_compute_backend_service.admin: has no Cloud Armor policy

resource "google_compute_backend_service" "admin" {
  load_balancing_scheme  = "EXTERNAL_MANAGED"
  custom_request_headers = local.edge_headers
}
