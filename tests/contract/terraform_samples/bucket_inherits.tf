# no_public_bucket_but_avatars_and_streams: google_storage_bucket.documents: public access is not prevented

resource "google_storage_bucket" "documents" {
  name                        = "documents"
  uniform_bucket_level_access = true
  public_access_prevention    = "inherited"
}
