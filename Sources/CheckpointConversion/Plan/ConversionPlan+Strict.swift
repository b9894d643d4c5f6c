internal import FileBytes

extension ConversionPlan {
  /// Turns notices into an error.
  ///
  /// - Throws: ``ConversionError`` with `strictViolation` naming the first twenty.
  package func refuseNotices() throws {
    guard !notices.isEmpty else { return }
    let shown = notices.prefix(20).map(\.line)
    let others: [Wording] = notices.count > 20 ? ["and \(notices.count - 20) more"] : []
    // The notice on experts has their number, not their names.
    let experts = (importance?.lines.prefix(20) ?? []).map { Wording($0) }
    throw ConversionError(
      .strictViolation,
      Fault(
        subject: "\(.strict)", expected: "a plan without notices", found: "\(notices.count)",
        problems: shown + others + experts,
        remedy: "change what causes them, or run without \(.strict)"))
  }
}
