# the_load_balancer_says_which_it_is: google_compute_backend_service.admin: does not say its scheme

resource "google_compute_backend_service" "admin" {
  security_policy        = google_compute_security_policy.admins.id
  custom_request_headers = local.edge_headers
}
