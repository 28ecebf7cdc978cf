# no_public_bucket_but_avatars_and_streams: google_storage_bucket_iam_member.all: everybody may read a bucket that is not public

resource "google_storage_bucket_iam_member" "all" {
  bucket = google_storage_bucket.files["codes"].name
  role   = "roles/storage.objectViewer"
  member = "allAuthenticatedUsers"
}
