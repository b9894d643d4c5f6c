internal import FileBytes

/// A finished window of a measurement.
///
/// Content: u32 part (the number of the model where models run one after the other, else 0), u32 window, and what every
/// scored position gave.
struct WindowRecord: ResumeRecord {
  /// Where a window stands in a run.
  struct Place: Hashable {
    var part: Int
    var window: Int
  }

  var place: Place
  var content: [UInt8]

  init(_ place: Place, content: [UInt8]) {
    self.place = place
    self.content = content
  }

  init?(decoding cursor: inout ByteCursor) {
    guard let part: UInt32 = cursor.read(), let window: UInt32 = cursor.read(),
      let content = cursor.take(cursor.remaining)
    else { return nil }
    self.init(Place(part: Int(part), window: Int(window)), content: Array(content))
  }

  func encode(into bytes: inout [UInt8]) {
    bytes.appendLittleEndian(UInt32(clamping: place.part))
    bytes.appendLittleEndian(UInt32(clamping: place.window))
    bytes += content
  }
}

extension ResumeLogWords {
  /// How messages speak of the state of a measurement.
  static let state = ResumeLogWords(
    name: "state", startOver: "name another file with \(.resume) to start over")
}
