# no_public_bucket_but_avatars_and_streams: local.buckets: codes is public

locals {
  buckets = {
    codes = { public = true }
  }
}
