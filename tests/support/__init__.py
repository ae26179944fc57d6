"""What several tests share: small plans, random instances, a served service, settings tried otherwise."""
