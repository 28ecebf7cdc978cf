# nothing_of_ours_has_an_address_outside: google_compute_firewall.rpc: lets the internet in

resource "google_compute_firewall" "rpc" {
  source_ranges = ["0.0.0.0/0"]
  allow {
    protocol = "tcp"
    ports    = ["8545"]
  }
}
