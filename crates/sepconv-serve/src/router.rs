use hyper::Method;

use crate::metadata::VERSION;

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Liveness,
    Readiness,
    Server,
    /// The list of networks.
    Index,
    Model(&'a str),
    ModelReady(&'a str),
    Infer(&'a str),
    Metrics,
}

impl<'a> Route<'a> {
    /// The route of a path; names are compared with those of networks later. `None` for a path, or a version of a
    /// network, that does not exist.
    pub(crate) fn of(path: &'a str) -> Option<Self> {
        let mut segments = path.strip_prefix('/')?.split('/');
        match (segments.next()?, segments.next()) {
            ("metrics", None) => Some(Self::Metrics),
            ("v2", None) => Some(Self::Server),
            ("v2", Some("health")) => match (segments.next()?, segments.next()) {
                ("live", None) => Some(Self::Liveness),
                ("ready", None) => Some(Self::Readiness),
                _ => None,
            },
            ("v2", Some("repository")) => {
                (segments.next() == Some("index") && segments.next().is_none()).then_some(Self::Index)
            }
            ("v2", Some("models")) => {
                let name = segments.next()?;
                let mut action = segments.next();
                if action == Some("versions") {
                    segments.next().filter(|&version| version == VERSION)?;
                    action = segments.next();
                }
                match (action, segments.next()) {
                    (None, None) => Some(Self::Model(name)),
                    (Some("ready"), None) => Some(Self::ModelReady(name)),
                    (Some("infer"), None) => Some(Self::Infer(name)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Whether it is asked for by this method.
    pub(crate) fn allows(self, method: &Method) -> bool {
        match self {
            Self::Infer(_) | Self::Index => method == Method::POST,
            Self::Liveness | Self::Readiness | Self::Server | Self::Model(_) | Self::ModelReady(_) | Self::Metrics => {
                method == Method::GET || method == Method::HEAD
            }
        }
    }

    /// Whether it is answered without a token: those who look after a process have none.
    pub(crate) fn is_open(self) -> bool {
        match self {
            Self::Liveness | Self::Readiness => true,
            Self::Server | Self::Index | Self::Model(_) | Self::ModelReady(_) | Self::Infer(_) | Self::Metrics => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_protocol_have_routes() {
        for (path, route) in [
            ("/v2", Route::Server),
            ("/v2/health/live", Route::Liveness),
            ("/v2/health/ready", Route::Readiness),
            ("/v2/models/m", Route::Model("m")),
            ("/v2/models/m/versions/1", Route::Model("m")),
            ("/v2/models/m/ready", Route::ModelReady("m")),
            ("/v2/models/m/versions/1/ready", Route::ModelReady("m")),
            ("/v2/models/m/infer", Route::Infer("m")),
            ("/v2/models/m/versions/1/infer", Route::Infer("m")),
            ("/v2/repository/index", Route::Index),
            ("/metrics", Route::Metrics),
        ] {
            assert_eq!(Route::of(path), Some(route), "{path}");
        }
        for path in [
            "",
            "/",
            "v2",
            "//v2",
            "/v2/",
            "/v2/health",
            "/v2/models",
            "/v2/models/m/versions",
            "/v2/models/m/versions/2/infer",
            "/v2/models/m/infer/",
            "/v2/models/../../etc/passwd",
            "/metrics/x",
        ] {
            assert_eq!(Route::of(path), None, "{path}");
        }
    }
}
