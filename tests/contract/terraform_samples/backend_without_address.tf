# the_load_balancer_says_which_it_is: google_compute_backend_service.admin: does not tell the client's address

resource "google_compute_backend_service" "admin" {
  load_balancing_scheme = "EXTERNAL_MANAGED"
  security_policy       = google_compute_security_policy.admins.id
}
