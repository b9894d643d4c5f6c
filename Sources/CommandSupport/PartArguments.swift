internal import ArgumentParser
package import FileBytes

/// The value of `--part`.
package enum PartArgument {
  /// Reads `2/4`.
  ///
  /// - Returns: `nil` without a value.
  /// - Throws: A usage error for anything else.
  package static func read(_ text: String?) throws -> RunPart? {
    guard let text else { return nil }
    guard let part = RunPart(text) else {
      throw ValidationError(
        "--part takes i/n with i from 1 to n and n up to \(RunPart.mostParts), such as 2/4; found \(oneLine(text))"
      )
    }
    return part
  }
}

/// The command line of this process, to be shown again with other parts.
package enum CommandLineText {
  /// The command that makes a part, in place of one that joins all of them.
  ///
  /// - Parameters:
  ///   - part: The part.
  ///   - others: Flags that the command has in addition, with their values; they are taken out where they are.
  ///   - arguments: The command line.
  /// - Returns: The command, as a shell takes it.
  package static func making(
    _ part: RunPart, _ others: [String] = [], in arguments: [String] = CommandLine.arguments
  ) -> String {
    var removed = Dictionary(
      others.filter { $0.hasPrefix("--") }.map { ($0, ValueCount.one) },
      uniquingKeysWith: { first, _ in first })
    // Conversions know where their parts are, measurements are told.
    removed["--join"] = others.isEmpty ? ValueCount.none : .many
    return text(without(removed, arguments) + ["--part", "\(part)"] + others)
  }

  /// The command that joins all parts, in place of one that makes a part.
  ///
  /// - Parameters:
  ///   - removed: Flags that it does not have, beside that of the part.
  ///   - values: What is joined; nothing where the parts are known.
  ///   - arguments: The command line.
  /// - Returns: The command, as a shell takes it.
  package static func joining(
    without removed: Set<String> = [], _ values: [String] = [],
    in arguments: [String] = CommandLine.arguments
  ) -> String {
    let flags = Dictionary(
      removed.union(["--part"]).map { ($0, ValueCount.one) }, uniquingKeysWith: { first, _ in first })
    return text(without(flags, arguments) + ["--join"] + values)
  }

  /// How many words behind a flag are its values.
  private enum ValueCount {
    case none
    case one
    /// All up to the next flag.
    case many
  }

  /// A command line without some flags and their values, and without the folder of the command.
  private static func without(_ flags: [String: ValueCount], _ arguments: [String]) -> [String] {
    var words: [String] = []
    var left = ValueCount.none
    for word in arguments {
      switch left {
      case .one:
        left = .none
        continue
      case .many where !word.hasPrefix("-"): continue
      case .many, .none: left = flags[word] ?? .none
      }
      let isFlag = flags[word] != nil || flags.keys.contains { word.hasPrefix($0 + "=") }
      if !isFlag { words.append(word) }
    }
    if !words.isEmpty { words[0] = FileSystem.name(of: words[0]) }
    return words
  }

  /// Words as a shell takes them.
  static func text(_ words: [String]) -> String {
    words.map { word in
      let plain = word.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"):
          true
        default: "-_./=:,+@%".utf8.contains(byte)
        }
      }
      return plain && !word.isEmpty ? word : "'" + word.replacing("'", with: "'\\''") + "'"
    }.joined(separator: " ")
  }
}
