# every_subscription_has_a_dead_letter_that_somebody_reads: google_pubsub_topic.dead: dead letters that nobody reads

resource "google_pubsub_subscription" "event" {
  topic = google_pubsub_topic.event.id
  retry_policy {
    minimum_backoff = "1s"
  }
  dead_letter_policy {
    dead_letter_topic = google_pubsub_topic.dead.id
  }
  expiration_policy {
    ttl = ""
  }
}
