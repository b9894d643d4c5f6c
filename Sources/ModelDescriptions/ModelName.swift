internal import Foundation

/// The parts of a model's name, such as `Qwen3-30B-A3B-Instruct-2507`, by the naming habits of model hubs.
///
/// The rules are those by which llama.cpp's converter fills `general.basename`, `general.finetune` and so on;
/// they are heuristics, and equal results matter more here than better ones.
package struct ModelName: Equatable {
  package var fullName: String?
  package var organization: String?
  package var basename: String?
  package var finetune: String?
  package var version: String?
  package var sizeLabel: String?

  private enum Kind: Hashable {
    case basename, sizeLabel, finetune, version, type
  }

  /// Takes a name apart.
  ///
  /// - Parameters:
  ///   - id: `organization/name` or a name alone.
  ///   - parameterCount: The size of the model, by which context lengths are told from sizes; 0 when unknown.
  package init(id: String, parameterCount: Int) {
    if id.contains(" ") {
      fullName = id
      return
    }
    var name = id
    if let slash = id.firstIndex(of: "/") {
      organization = String(id[..<slash])
      name = String(id[id.index(after: slash)...])
      if organization?.hasPrefix(".") == true { organization = nil }
    }
    fullName = name
    var parts = name.split(separator: "-").map(String.init)
    var kinds = Self.annotate(&parts, parameterCount: parameterCount)
    Self.markBasename(parts, &kinds)
    func joined(_ accept: (Set<Kind>) -> Bool) -> String? {
      let text = zip(parts, kinds).filter { accept($0.1) }.map(\.0).joined(separator: "-")
      return text.isEmpty ? nil : text
    }
    basename = joined { $0.contains(.basename) }
    finetune = joined { $0.contains(.finetune) }
    version = joined { $0.contains(.version) && !$0.contains(.basename) }
    var labels: [String] = []
    for (part, kind) in zip(parts, kinds) where kind.contains(.sizeLabel) && !labels.contains(part) {
      labels.append(part)
    }
    sizeLabel = labels.isEmpty ? nil : labels.joined(separator: "-")
    if sizeLabel == nil, finetune == nil, version == nil { basename = nil }
  }

  private static func annotate(_ parts: inout [String], parameterCount: Int) -> [Set<Kind>] {
    var kinds = parts.map { _ in Set<Kind>() }
    for index in parts.indices {
      let part = parts[index]
      if part.wholeMatch(of: /(?:v|iter)?\d+(?:[.]\d+)*/.ignoresCase()) != nil {
        kinds[index].insert(.version)
      } else if part.wholeMatch(of: /i?q\d(?:_\w)*|b?fp?(?:16|32)/.ignoresCase()) != nil {
        kinds[index].insert(.type)
        parts[index] = part.uppercased()
      } else if index > 0, isSize(part) {
        var label = normalizedSize(part)
        if parameterCount > 0, let size = parameterValue(label),
          abs(size - Double(parameterCount)) > Double(7 * parameterCount / 8)
        {
          // Far from the model's size, so probably a context length.
          kinds[index].insert(.finetune)
          label = String(label.dropLast()) + (label.last?.lowercased() ?? "")
        }
        if kinds[index].isEmpty { kinds[index].insert(.sizeLabel) }
        parts[index] = label
      } else if index > 0, part.wholeMatch(of: /chat|instruct|vision|lora/.ignoresCase()) != nil {
        kinds[index].insert(.finetune)
      }
    }
    let hasNumber = zip(parts, kinds).contains { $1.contains(.sizeLabel) && $0.contains { $0.isNumber } }
    if hasNumber {
      for index in parts.indices where parts[index].allSatisfy(\.isLetter) { kinds[index].remove(.sizeLabel) }
    }
    return kinds
  }

  private static func isSize(_ part: String) -> Bool {
    let pattern = /(?:(?:[A]|\d+[x])?\d+(?:[._]\d+)?[KMBT][\d]?|small|mini|medium|large|x?xl)/.ignoresCase()
    return part.wholeMatch(of: pattern) != nil
  }

  /// `7b1` becomes `7.1B`, `7b` becomes `7B`.
  private static func normalizedSize(_ part: String) -> String {
    var text = Array(part.replacingOccurrences(of: "_", with: "."))
    if let last = text.last, last.isNumber, text.count > 1 {
      let unit = text[text.count - 2]
      text.removeLast(2)
      text += [".", last, unit]
    }
    if text.count > 1, text[text.count - 2].isNumber, let last = text.last, "kmbt".contains(last) {
      text[text.count - 1] = Character(last.uppercased())
    }
    return String(text)
  }

  private static func parameterValue(_ label: String) -> Double? {
    guard let unit = label.last, let number = Double(label.dropLast()) else { return nil }
    // A unit that is not found counts as one before the first, as the reference's text search does.
    let powers: [Character: Double] = ["K": 1, "M": 2, "B": 3, "T": 4]
    return number * pow(1000, powers[unit] ?? -1)
  }

  private static func markBasename(_ parts: [String], _ kinds: inout [Set<Kind>]) {
    var atStart = true
    for index in parts.indices {
      let startsWithLetter = parts[index].first?.isLetter == true
      if atStart, (kinds[index].isEmpty && startsWithLetter) || kinds[index].contains(.version) {
        kinds[index].insert(.basename)
      } else {
        atStart = false
        if kinds[index].isEmpty { kinds[index].insert(.finetune) }
      }
    }
    for index in parts.indices.reversed() {
      guard kinds[index].contains(.basename), kinds[index].count > 1 else { break }
      kinds[index].remove(.basename)
    }
  }

  /// A name with spaces for dashes and capitals for words in lower case, except versions.
  package static func title(_ id: String) -> String {
    id.replacingOccurrences(of: "-", with: " ").split(whereSeparator: \.isWhitespace).map { word -> String in
      let letters = word.filter(\.isCased)
      let isLower = !letters.isEmpty && letters.allSatisfy { !$0.isUppercase }
      let isVersion = word.first?.isNumber == true || word.wholeMatch(of: /v\d+(?:\.\d+)*/) != nil
      return isLower && !isVersion ? capitalized(word) : String(word)
    }.joined(separator: " ")
  }

  /// Every letter that follows no letter in upper case.
  private static func capitalized(_ word: Substring) -> String {
    var result = ""
    var followsLetter = false
    for character in word {
      result += followsLetter ? character.lowercased() : character.uppercased()
      followsLetter = character.isCased
    }
    return result
  }
}

/// The size of a model as a label, such as `30B` or `128x2.2B`.
package enum SizeLabel {
  /// The label of a model with these outputs: experts count once, times their number.
  package static func label(outputs: [(name: String, ggmlShape: [Int])]) -> String? {
    var total = 0
    var shared = 0
    var perExpert = 0
    var expertSum = 0
    var stacks = 0
    for (name, shape) in outputs {
      let size = shape.reduce(1, *)
      total += size
      if name.contains("_exps."), shape.count >= 3, shape[2] > 0 {
        perExpert += size / shape[2]
        expertSum += shape[2]
        stacks += 1
      } else {
        shared += size
      }
    }
    guard total > 0 else { return nil }
    let experts = stacks > 0 ? expertSum / stacks : 0
    return experts > 0 ? "\(experts)x" + rounded(shared + perExpert) : rounded(total)
  }

  /// At least two digits and a unit: `1.7B`, `30B`, `494M`.
  package static func rounded(_ count: Int) -> String {
    let units: [(above: Double, scale: Double, unit: String)] = [
      (1e12, 1e-12, "T"), (1e9, 1e-9, "B"), (1e6, 1e-6, "M"), (-1, 1e-3, "K"),
    ]
    guard let unit = units.first(where: { Double(count) > $0.above }) else { return "0K" }
    let scaled = Double(count) * unit.scale
    let whole = Int(scaled.rounded(.toNearestOrEven))
    let digits = whole == 0 ? 0 : String(whole).count
    return String(format: "%.\(max(2 - digits, 0))f", scaled) + unit.unit
  }
}
