# every_subscription_has_a_dead_letter_that_somebody_reads: google_pubsub_subscription.event: repeats without a pause

resource "google_pubsub_subscription" "event" {
  topic = google_pubsub_topic.event.id
  dead_letter_policy {
    dead_letter_topic = google_pubsub_topic.dead.id
  }
  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_subscription" "dead" {
  topic = google_pubsub_topic.dead.id
  expiration_policy {
    ttl = ""
  }
}
