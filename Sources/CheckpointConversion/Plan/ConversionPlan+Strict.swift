internal import FileBytes

extension ConversionPlan {
  /// Turns notices into an error.
  ///
  /// - Throws: ``ConversionError`` with `strictViolation` naming the first ones.
  public func refuseNotices() throws {
    guard !notices.isEmpty else { return }
    let shown = notices.prefix(5).map { "\($0.subject): \($0.text)" }.joined(separator: "; ")
    let others = notices.count > 5 ? " and \(notices.count - 5) more" : ""
    throw ConversionError(
      .strictViolation,
      Fault(
        subject: "--strict", expected: "a plan without notices", found: shown + others,
        remedy: "change the flags that cause them, or run without --strict"))
  }
}
