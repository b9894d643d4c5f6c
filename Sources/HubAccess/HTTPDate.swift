internal import Foundation

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Dates in heads of answers.
enum HTTPDate {
  /// The date of a text such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7); `nil` for other forms.
  ///
  /// By the C library, which has no other language here than its own; a `DateFormatter` takes ICU's data for it.
  static func date(_ text: String) -> Date? {
    var parts = tm()
    guard let end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &parts), end.pointee == 0 else { return nil }
    return Date(timeIntervalSince1970: Double(timegm(&parts)))
  }
}
