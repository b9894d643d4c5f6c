/// One of several parts of a job; each is done by a process of its own, perhaps on another machine.
package struct RunPart: Hashable, Sendable {
  /// Which part, from 1.
  package let number: Int
  /// How many parts there are.
  package let count: Int

  /// The most parts of a job.
  package static let mostParts = 10_000

  /// Creates a part; `nil` for a number that is not from 1 to `count`, or a count that is not from 1 to
  /// ``mostParts``.
  package init?(number: Int, count: Int) {
    guard 1...Self.mostParts ~= count, 1...count ~= number else { return nil }
    self.number = number
    self.count = count
  }

  /// Reads `2/4`; `nil` for anything that is not a part.
  package init?(_ text: String) {
    let words = text.split(separator: "/", omittingEmptySubsequences: false)
    guard words.count == 2, let number = Self.number(words[0]), let count = Self.number(words[1]) else {
      return nil
    }
    self.init(number: number, count: count)
  }

  /// Digits alone, without sign.
  private static func number(_ text: Substring) -> Int? {
    text.utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 } ? Int(text) : nil
  }

  /// All parts of a job.
  package static func all(of count: Int) -> [RunPart] {
    (1...max(1, count)).compactMap { RunPart(number: $0, count: count) }
  }

  /// The number from 0.
  package var index: Int { number - 1 }

  /// The name of this part's own file beside a file of the whole, such as `model.gguf.part-2-of-4.journal`.
  package func path(beside path: String, ending: String) -> String {
    "\(path).part-\(number)-of-\(count)\(ending)"
  }

  /// The parts that have such a file beside `path`, in order.
  package static func found(beside path: String, ending: String) -> [RunPart] {
    let start = FileSystem.name(of: path) + ".part-"
    return FileSystem.contents(of: FileSystem.folder(of: path)).compactMap { name -> RunPart? in
      guard name.hasPrefix(start), name.hasSuffix(ending),
        name.utf8.count > start.utf8.count + ending.utf8.count
      else { return nil }
      let words = name.dropFirst(start.count).dropLast(ending.count).split(separator: "-")
      guard words.count == 3, words[1] == "of", let part = RunPart("\(words[0])/\(words[2])"),
        part.path(beside: FileSystem.name(of: path), ending: ending) == name
      else { return nil }
      return part
    }.sorted { ($0.count, $0.number) < ($1.count, $1.number) }
  }
}

extension RunPart: CustomStringConvertible {
  /// The part as it is typed, such as `2/4`.
  package var description: String { "\(number)/\(count)" }
}

extension Fingerprint {
  /// The field that tells parts of one job apart.
  package static let partField = "the part"

  /// The same for a part of the job.
  package func of(_ part: RunPart) -> Fingerprint {
    var result = self
    result.add(Self.partField, "\(part)")
    return result
  }
}
