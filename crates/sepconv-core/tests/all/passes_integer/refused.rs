//! What has no form on bytes stays as it is.
