extension Sequence<UInt8> {
  /// Two hexadecimal digits for each byte, as hashes are written.
  ///
  /// - Parameters:
  ///   - uppercase: Whether digits above nine are capital letters.
  ///   - separator: What stands between two bytes.
  /// - Returns: The digits of all bytes in order.
  package func hexadecimal(uppercase: Bool = false, separator: String = "") -> String {
    map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: uppercase) }.joined(separator: separator)
  }
}
