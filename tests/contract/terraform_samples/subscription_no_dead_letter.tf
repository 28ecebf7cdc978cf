# every_subscription_has_a_dead_letter_that_somebody_reads: google_pubsub_subscription.event: has no dead letter

resource "google_pubsub_subscription" "event" {
  topic = google_pubsub_topic.event.id
  retry_policy {
    minimum_backoff = "1s"
  }
  expiration_policy {
    ttl = ""
  }
}
