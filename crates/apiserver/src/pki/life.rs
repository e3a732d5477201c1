//! How long certificates live, and when they are issued again.

use rcgen::CertificateParams;
use rustls::pki_types::CertificateDer;

const DAY: i64 = 24 * 3600;
/// What was issued begins so long before, as clocks differ.
const BEGINS_BEFORE: i64 = DAY;

/// A plan for certificates of one kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    days: i64,
    renew_days: i64,
}

/// The authority lives ten years, and is issued again, with the same key, in its last.
pub(super) const AUTHORITY: Plan = Plan { days: 3650, renew_days: 365 };
/// Serving and client certificates live a year, and are issued again in its last two months.
pub(super) const LEAF: Plan = Plan { days: 365, renew_days: 60 };

impl Plan {
    /// Sets the life of a certificate that is issued now.
    pub(super) fn set(self, params: &mut CertificateParams, now: i64) {
        let (year, month, day) = date(now - BEGINS_BEFORE);
        params.not_before = rcgen::date_time_ymd(year, month, day);
        let (year, month, day) = date(now + self.days * DAY);
        params.not_after = rcgen::date_time_ymd(year, month, day);
    }

    /// Has it begun, and does it last long enough?
    pub(super) fn is_kept_by(self, life: Life, now: i64) -> bool {
        life.begin <= now && life.end > now + self.renew_days * DAY
    }
}

/// Year, month and day of a second.
fn date(second: i64) -> (i32, u8, u8) {
    let date = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX);
    let date = date.to_zoned(jiff::tz::TimeZone::UTC).date();
    (date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
}

/// From when to when a certificate is valid, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) begin: i64,
    pub(crate) end: i64,
}

impl Life {
    /// Of a certificate; `None` where it is none.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let validity = parsed.validity();
        Some(Self { begin: validity.not_before.timestamp(), end: validity.not_after.timestamp() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(now_days: i64, expected: bool) {
        let life = Life { begin: 0, end: 365 * DAY };
        assert_eq!(LEAF.is_kept_by(life, now_days * DAY), expected, "day {now_days}");
    }

    #[test]
    fn a_certificate_is_kept_from_its_begin_to_its_last_two_months() {
        check(-1, false);
        check(0, true);
        check(304, true);
        check(305, false);
        check(400, false);
    }
}
