# nothing_of_ours_has_an_address_outside: google_compute_instance.node: has an address outside

resource "google_compute_instance" "node" {
  network_interface {
    subnetwork = "nodes"
    access_config {}
  }
}
