/// What a job depends on, field by field.
///
/// What an earlier run left is of use only to a job with an equal fingerprint. Fields have names in words, so that a
/// refusal can say which of them changed: "the version of Pouch (0.1.0, now 0.2.0); the source files".
package struct Fingerprint: Hashable, Sendable {
  /// How a field takes part in messages.
  package enum Role: UInt8, Hashable, Sendable {
    /// Named with its values.
    case shown
    /// Named alone; the value is a hash, say.
    case named
    /// Follows from other fields: named only when no other differs.
    case consequence
  }

  /// One thing that the job depends on.
  package struct Field: Hashable, Sendable {
    /// What it is, in words; no two fields of a fingerprint have one name.
    package var name: String
    /// Its value: a short text, or a hash.
    package var value: String
    /// How it takes part in messages.
    package var role: Role

    /// What the names of settings begin with; those in words do not.
    fileprivate static let settingMark = "setting: "

    /// The name in messages.
    fileprivate var title: Wording {
      guard name.hasPrefix(Self.settingMark) else { return Wording(name) }
      let phrase = String(name.dropFirst(Self.settingMark.count))
      return Setting(rawValue: phrase).map { Wording($0) } ?? Wording(phrase)
    }
  }

  /// The fields, in the order in which messages name them.
  package private(set) var fields: [Field] = []

  /// Starts with what every job has.
  ///
  /// - Parameters:
  ///   - task: What is done; jobs of different tasks are compared no further.
  ///   - version: The version of the program, since another one may give other bytes.
  package init(task: String, version: String) {
    add("the task", task)
    add("the version of Pouch", version)
  }

  /// Takes fields as they were stored.
  init(fields: [Field]) { self.fields = fields }

  /// Adds a field; one that a job does not have is not added.
  package mutating func add(_ name: String, _ value: String, _ role: Role = .shown) {
    fields.append(Field(name: name, value: value, role: role))
  }

  /// Adds a setting, which messages name as one.
  package mutating func add(_ setting: Setting, _ value: String, _ role: Role = .shown) {
    add(Self.name(of: setting), value, role)
  }

  /// Adds a setting by the hash of its values.
  package mutating func add(_ setting: Setting, _ hash: FieldHash, _ role: Role = .named) {
    add(setting, hash.text, role)
  }

  /// The name of the field of a setting.
  package static func name(of setting: Setting) -> String { Field.settingMark + setting.rawValue }

  /// Adds a field by the hash of its values.
  package mutating func add(_ name: String, _ hash: FieldHash, _ role: Role = .named) {
    add(name, hash.text, role)
  }

  /// The same without some fields, for comparisons that leave them out.
  package func without(_ names: Set<String>) -> Fingerprint {
    Fingerprint(fields: fields.filter { !names.contains($0.name) })
  }

  /// The fields in which `other`, that of the job wanted now, differs, in words; empty for equal ones alone.
  package func differences(from other: Fingerprint) -> [Wording] {
    guard self != other else { return [] }
    if let task = fields.first, let wanted = other.fields.first, task != wanted {
      return [Self.difference(task, wanted)]
    }
    let known = Dictionary(fields.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let names = Set(other.fields.map(\.name))
    var changed = other.fields.filter { known[$0.name]?.value != $0.value }
    changed += fields.filter { !names.contains($0.name) }
    let causes = changed.filter { $0.role != .consequence }
    let differences = (causes.isEmpty ? changed : causes).map { field -> Wording in
      guard let old = known[field.name] else { return "\(field.title) (none before)" }
      return names.contains(field.name) ? Self.difference(old, field) : "\(field.title) (none now)"
    }
    return differences.isEmpty ? ["the fields that are compared"] : differences
  }

  private static func difference(_ old: Field, _ new: Field) -> Wording {
    new.role == .shown ? "\(new.title) (\(old.value), now \(new.value))" : new.title
  }
}

/// A hash over values of several kinds, each with its length, so that no two lists of values run together.
package struct FieldHash: Sendable {
  private var stream = XXHash64Stream()

  /// Starts a hash.
  package init() {}

  /// Takes in a number.
  package mutating func add(_ number: Int) {
    withUnsafeBytes(of: Int64(number).littleEndian) { stream.update($0) }
  }

  /// Takes in numbers.
  package mutating func add(_ numbers: [Int]) {
    add(numbers.count)
    for number in numbers { add(number) }
  }

  /// Takes in bytes.
  package mutating func add(_ bytes: UnsafeRawBufferPointer) {
    add(bytes.count)
    stream.update(bytes)
  }

  /// Takes in bytes.
  package mutating func add(_ bytes: [UInt8]) { bytes.withUnsafeBytes { add($0) } }

  /// Takes in a text.
  package mutating func add(_ text: String) {
    var text = text
    text.withUTF8 { add(UnsafeRawBufferPointer($0)) }
  }

  /// The hash of everything so far, as text.
  package var text: String { XXHash64.text(stream.digest) }
}
