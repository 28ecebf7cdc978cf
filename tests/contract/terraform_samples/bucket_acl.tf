# no_public_bucket_but_avatars_and_streams: google_storage_bucket.documents: single objects could be made public

resource "google_storage_bucket" "documents" {
  name                     = "documents"
  public_access_prevention = "enforced"
}
