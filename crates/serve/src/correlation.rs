//! The names of a request by which its log lines are found, here and by the platform.

use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Span;

use crate::request_id::{self, RequestId};

const CLOUD_TRACE: HeaderName = HeaderName::from_static("x-cloud-trace-context");

/// What every log line of a request carries.
pub(crate) struct Correlation {
    pub(crate) id: RequestId,
    traceparent: Option<HeaderValue>,
    platform: Option<ByPlatform>,
}

/// The platform's own names.
enum ByPlatform {
    CloudLogging(CloudTrace),
    #[cfg(feature = "lambda")]
    Lambda(Invocation),
}

/// What Cloud Logging shows a request's lines together by.
#[derive(Debug, PartialEq, Eq)]
struct CloudTrace {
    /// `projects/{project}/traces/{trace}`, or the bare trace if the project is not known.
    trace: String,
    span: String,
    sampled: bool,
    project_known: bool,
}

/// One invocation of a Lambda function.
#[cfg(feature = "lambda")]
pub(crate) struct Invocation {
    pub(crate) request_id: String,
    /// The root of X-Ray's trace.
    pub(crate) xray_trace_id: Option<String>,
    /// Whether it is the first of its process.
    pub(crate) cold_start: bool,
}

/// A field of a log line.
pub(crate) enum Value<'a> {
    Text(&'a str),
    Bool(bool),
}

/// How requests are named, settled once for all of them.
#[derive(Clone, Debug)]
pub(crate) enum Naming {
    Plain,
    CloudLogging { project: Option<String> },
}

impl Naming {
    pub(crate) fn name(&self, headers: &HeaderMap) -> Correlation {
        let mut names = Correlation {
            id: RequestId::of(headers),
            traceparent: request_id::traceparent(headers),
            platform: None,
        };
        if let Self::CloudLogging { project } = self {
            let trace = CloudTrace::of(headers, names.traceparent.as_ref(), project.as_deref());
            names.platform = trace.map(ByPlatform::CloudLogging);
        }
        names
    }
}

impl Correlation {
    /// The names of a request that a Lambda function was invoked for.
    #[cfg(feature = "lambda")]
    pub(crate) fn of_invocation(headers: &HeaderMap, invocation: Invocation) -> Self {
        Self {
            id: RequestId::of_or(headers, &invocation.request_id),
            traceparent: request_id::traceparent(headers),
            platform: Some(ByPlatform::Lambda(invocation)),
        }
    }

    fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_ref().and_then(|value| value.to_str().ok())
    }

    /// The span in which the request is handled. Its level is the highest one, so that no filter
    /// by level takes the request's names from the lines that remain.
    pub(crate) fn span(&self) -> Span {
        let (request_id, traceparent) = (self.id.as_str(), self.traceparent());
        match &self.platform {
            None => match traceparent {
                None => tracing::error_span!("request", request_id),
                Some(traceparent) => tracing::error_span!("request", request_id, traceparent),
            },
            Some(ByPlatform::CloudLogging(cloud)) if cloud.project_known => tracing::error_span!(
                "request",
                request_id,
                "logging.googleapis.com/trace" = cloud.trace,
                "logging.googleapis.com/spanId" = cloud.span,
                "logging.googleapis.com/trace_sampled" = cloud.sampled,
            ),
            Some(ByPlatform::CloudLogging(cloud)) => {
                tracing::error_span!("request", request_id, trace_id = cloud.trace)
            }
            #[cfg(feature = "lambda")]
            Some(ByPlatform::Lambda(invocation)) => tracing::error_span!(
                "request",
                requestId = invocation.request_id,
                request_id = self.other_id(invocation),
                xray_trace_id = invocation.xray_trace_id,
                cold_start = invocation.cold_start,
                traceparent,
            ),
        }
    }

    /// The same fields as the span's, one after the other.
    pub(crate) fn each(&self, mut take: impl FnMut(&'static str, Value<'_>)) {
        let mut text = |name, text| take(name, Value::Text(text));
        match &self.platform {
            None => {
                text("request_id", self.id.as_str());
                if let Some(traceparent) = self.traceparent() {
                    text("traceparent", traceparent);
                }
            }
            Some(ByPlatform::CloudLogging(cloud)) if cloud.project_known => {
                text("request_id", self.id.as_str());
                text("logging.googleapis.com/trace", &cloud.trace);
                text("logging.googleapis.com/spanId", &cloud.span);
                take("logging.googleapis.com/trace_sampled", Value::Bool(cloud.sampled));
            }
            Some(ByPlatform::CloudLogging(cloud)) => {
                text("request_id", self.id.as_str());
                text("trace_id", &cloud.trace);
            }
            #[cfg(feature = "lambda")]
            Some(ByPlatform::Lambda(invocation)) => {
                text("requestId", &invocation.request_id);
                if let Some(id) = self.other_id(invocation) {
                    text("request_id", id);
                }
                if let Some(trace) = &invocation.xray_trace_id {
                    text("xray_trace_id", trace);
                }
                take("cold_start", Value::Bool(invocation.cold_start));
                if let Some(traceparent) = self.traceparent() {
                    take("traceparent", Value::Text(traceparent));
                }
            }
        }
    }

    /// The request's id, if the client chose one: else it is the invocation's.
    #[cfg(feature = "lambda")]
    fn other_id(&self, invocation: &Invocation) -> Option<&str> {
        Some(self.id.as_str()).filter(|id| *id != invocation.request_id)
    }
}

impl CloudTrace {
    /// Google's own header, `TRACE/SPAN;o=1` with the span in decimal, or else W3C's.
    fn of(
        headers: &HeaderMap,
        traceparent: Option<&HeaderValue>,
        project: Option<&str>,
    ) -> Option<Self> {
        let own = headers.get(CLOUD_TRACE).and_then(|value| value.to_str().ok());
        let own = own.and_then(|value| {
            let (trace, rest) = value.split_once('/').unwrap_or((value, ""));
            let (span, options) = rest.split_once(';').unwrap_or((rest, ""));
            let span = span.parse().map_or(String::new(), |span: u64| format!("{span:016x}"));
            Some((lower_case_trace(trace)?, span, options.trim() == "o=1"))
        });
        let (trace, span, sampled) = own.or_else(|| {
            // The form was checked when it was taken.
            let text = traceparent?.to_str().ok()?;
            let flags = u8::from_str_radix(text.get(53..55)?, 16).ok()?;
            Some((text.get(3..35)?.to_owned(), text.get(36..52)?.to_owned(), flags & 1 == 1))
        })?;
        let trace = match project {
            Some(project) => format!("projects/{project}/traces/{trace}"),
            None => trace,
        };
        Some(Self { trace, span, sampled, project_known: project.is_some() })
    }
}

fn lower_case_trace(text: &str) -> Option<String> {
    let well_formed = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    well_formed.then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "105445aa7843bc8bf206b12000100000";

    fn trace(name: &'static str, value: &str) -> Option<CloudTrace> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        let traceparent = request_id::traceparent(&headers);
        CloudTrace::of(&headers, traceparent.as_ref(), Some("shop"))
    }

    #[test]
    fn a_trace_is_named_as_cloud_logging_names_it() {
        let expected = CloudTrace {
            trace: format!("projects/shop/traces/{TRACE}"),
            span: "000000000000004a".to_owned(),
            sampled: true,
            project_known: true,
        };
        let named = trace("x-cloud-trace-context", &format!("{TRACE}/74;o=1"));
        assert_eq!(named.as_ref(), Some(&expected));
        let named = trace("traceparent", &format!("00-{TRACE}-000000000000004a-01"));
        assert_eq!(named.as_ref(), Some(&expected));
    }

    #[test]
    fn a_trace_without_a_span_is_a_trace() {
        let named = trace("x-cloud-trace-context", TRACE).unwrap();
        assert_eq!((named.span.as_str(), named.sampled), ("", false));
    }

    #[test]
    fn a_trace_that_is_none_is_dropped() {
        for value in ["", "x", "105445aa/1;o=1", "projects/1/traces/2", "\"}{\"/1;o=1"] {
            assert_eq!(trace("x-cloud-trace-context", value), None, "{value}");
        }
    }
}
