internal import FileBytes
internal import TensorTypes

extension SensitivityTable {
  /// The most bytes of a file that is read.
  private static let sizeLimit = 256 << 20

  /// Reads a table from a file.
  ///
  /// - Throws: As ``init(parsing:file:)``; `FileError`.
  package init(path: String) throws {
    try self.init(parsing: try ReadableFile.contents(of: path, limit: Self.sizeLimit), file: path)
  }

  /// Reads a table.
  ///
  /// - Parameters:
  ///   - bytes: A JSON document.
  ///   - file: The name that errors give.
  /// - Throws: ``TuningError`` with `badTable` for a document that is no table or not whole, and for numbers that make no sense;
  ///   `JSONError`.
  package init(parsing bytes: [UInt8], file: String) throws {
    let root = TableNode(try JSONValue(parsing: bytes, file: file), file: file)
    guard try root.text("schema") == Self.schema else {
      throw root.fault("schema", "\(Self.schema)", root["schema"].summary)
    }
    guard try root.count("schemaVersion") == Self.formatVersion else {
      throw root.fault("schemaVersion", "\(Self.formatVersion)", root["schemaVersion"].summary)
    }
    let (model, text) = (root["model"], root["text"])
    let method = try root.text("method")
    guard let method = Method(rawValue: method) else {
      throw root.fault(
        "method", Method.allCases.map(\.rawValue).joined(separator: ", "), "\"\(method)\"")
    }
    let rows = try root.list("groups").map(Self.row)
    guard !rows.isEmpty else { throw root.fault("groups", "at least one", "none") }
    var seen: Set<String> = []
    for name in rows.lazy.flatMap(\.group.tensors) where !seen.insert(name).inserted {
      throw root.fault("groups", "every tensor in one group", "\(name) in two")
    }
    self.init(
      pouchVersion: try root.text("pouchVersion"),
      model: Model(
        name: try model.text("name"), fingerprint: try model.text("fingerprint"),
        architecture: try model.text("architecture"), layers: try model.count("layers"),
        weights: try model.count("weights")),
      text: Text(
        name: try text.text("name"), hash: try text.text("hash"), windows: try text.count("windows"),
        windowLength: try text.count("windowLength")),
      importance: try root.optional("importance").map {
        Importance(name: try $0.text("name"), hash: try $0.text("hash"))
      },
      method: method, fixedByteCount: try root.count("fixedBytes"), rows: rows,
      gains: try root.list("gains").map { gain in
        Gain(
          role: try gain.role("role"), layer: try gain.optionalCount("layer"),
          gain: try gain.divergence("gain"),
          type: try gain.type("type").name)
      })
  }

  private static func row(_ node: TableNode) throws -> Row {
    let role = try node.role("role")
    let layer = try node.optionalCount("layer")
    guard role.isPerLayer == (layer != nil) else {
      throw node.fault(
        "layer", role.isPerLayer ? "a layer for \(role.rawValue)" : "none for \(role.rawValue)",
        node["layer"].summary)
    }
    let tensors = try node.texts("tensors")
    let candidates = try node.list("candidates").map(candidate)
    guard !tensors.isEmpty, !candidates.isEmpty else {
      throw node.fault(
        "group", "tensors and candidates", "\(tensors.count) tensors, \(candidates.count) candidates")
    }
    for (low, high) in zip(candidates, candidates.dropFirst()) where low.byteCount > high.byteCount {
      throw node.fault(
        "candidates", "candidates by size", "\(low.byteCount) bytes before \(high.byteCount)")
    }
    guard Set(candidates.map(\.type)).count == candidates.count else {
      throw node.fault("candidates", "every type once", "one of them twice")
    }
    return Row(
      group: TuningGroup(role: role, layer: layer, tensors: tensors, weights: try node.count("weights")),
      isMeasured: try node.flag("isMeasured"), candidates: candidates)
  }

  private static func candidate(_ node: TableNode) throws -> Candidate {
    var result = Candidate(
      type: try node.type("type"),
      storedTypes: try node.texts("storedTypes").map { try node.type(named: $0, "storedTypes") },
      byteCount: try node.count("bytes"), divergence: try node.divergence("divergence"))
    result.rawDivergence = try node.number("rawDivergence")
    result.standardError = try node.has("standardError") ? node.divergence("standardError") : nil
    result.relativeError = try node.has("relativeError") ? node.divergence("relativeError") : nil
    return result
  }
}

/// A value of a table's document, with the place that messages name.
private struct TableNode {
  let value: JSONValue
  let file: String
  let place: String

  init(_ value: JSONValue, file: String, place: String = "") {
    self.value = value
    self.file = file
    self.place = place
  }

  subscript(key: String) -> TableNode {
    TableNode(value[key] ?? .null, file: file, place: place.isEmpty ? key : "\(place).\(key)")
  }

  var summary: String { value == .null ? "nothing" : value.summary }

  func has(_ key: String) -> Bool { value[key] != nil }

  func optional(_ key: String) -> TableNode? { has(key) ? self[key] : nil }

  func fault(_ key: String, _ expected: String, _ found: String) -> TuningError {
    TuningError(
      .badTable,
      Fault(
        file: file, subject: place.isEmpty ? "\(key)" : "\(place).\(key)", expected: "\(expected)",
        found: "\(found)",
        remedy: "take a whole table that pouch-tune wrote, or measure again without \(.sensitivityTable)"))
  }

  func text(_ key: String) throws -> String {
    guard let text = self[key].value.text else { throw fault(key, "a text", self[key].summary) }
    return text
  }

  func flag(_ key: String) throws -> Bool {
    guard let flag = self[key].value.flag else { throw fault(key, "true or false", self[key].summary) }
    return flag
  }

  func count(_ key: String) throws -> Int {
    guard let count = self[key].value.integer, (0...(1 << 53)).contains(count) else {
      throw fault(key, "a whole number from 0 to 2^53", self[key].summary)
    }
    return count
  }

  func optionalCount(_ key: String) throws -> Int? { has(key) ? try count(key) : nil }

  func number(_ key: String) throws -> Double {
    guard let number = self[key].value.double, number.isFinite else {
      throw fault(key, "a finite number", self[key].summary)
    }
    return number
  }

  func divergence(_ key: String) throws -> Double {
    let number = try number(key)
    guard number >= 0 else { throw fault(key, "a number that is not negative", "\(number)") }
    return number
  }

  func list(_ key: String) throws -> [TableNode] {
    guard let elements = self[key].value.elements else { throw fault(key, "a list", self[key].summary) }
    let own = self[key].place
    return elements.enumerated().map { TableNode($1, file: file, place: "\(own)[\($0)]") }
  }

  func texts(_ key: String) throws -> [String] {
    try list(key).map { node in
      guard let text = node.value.text else { throw fault(key, "a list of texts", node.summary) }
      return text
    }
  }

  func role(_ key: String) throws -> TuningRole {
    let text = try text(key)
    guard let role = TuningRole(rawValue: text) else { throw fault(key, "a role", "\"\(text)\"") }
    return role
  }

  func type(_ key: String) throws -> TensorType { try type(named: try text(key), key) }

  func type(named name: String, _ key: String) throws -> TensorType {
    guard let type = TensorType(name: name) else { throw fault(key, "a type", "\"\(name)\"") }
    return type
  }
}
