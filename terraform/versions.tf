terraform {
  required_version = ">= 1.11"

  required_providers {
    google      = { source = "hashicorp/google", version = "~> 8.0" }
    google-beta = { source = "hashicorp/google-beta", version = "~> 8.0" }
  }

  # terraform init -backend-config=bucket=<project>-terraform -backend-config=prefix=blakjaks
  backend "gcs" {}
}

provider "google" {
  project = var.project
  region  = local.region
}

# API Gateway, its network endpoint group and service identities exist in this provider only.
provider "google-beta" {
  project = var.project
  region  = local.region
}

data "google_project" "this" {}

resource "google_project_service" "used" {
  for_each = toset([
    "apigateway", "artifactregistry", "cloudbuild", "cloudfunctions", "cloudkms", "cloudresourcemanager",
    "cloudscheduler", "cloudtasks", "compute", "dns", "fcm", "firebase", "firebaserules", "firestore", "iam",
    "iamcredentials", "identitytoolkit", "livestream", "logging", "monitoring", "pubsub", "run", "secretmanager",
    "servicecontrol", "servicemanagement", "servicenetworking", "sqladmin", "storage", "translate",
    "vision",
  ])
  service            = "${each.key}.googleapis.com"
  disable_on_destroy = false
}
