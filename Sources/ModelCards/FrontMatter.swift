internal import Yams

/// The YAML at the top of a card, which the Hub reads.
struct FrontMatter {
  private let card: QuantizedCard

  init(_ card: QuantizedCard) { self.card = card }

  /// The block with its marks.
  ///
  /// - Throws: Errors of the YAML library.
  func text() throws -> String {
    var pairs: [(Node, Node)] = []
    func add(_ key: String, _ value: String?) throws {
      if let value { pairs.append((try key.represented(), try value.represented())) }
    }
    func add(_ key: String, _ values: [String]) throws {
      if !values.isEmpty { pairs.append((try key.represented(), try values.represented())) }
    }
    let origin = card.origin
    if let baseModel = origin.baseModel {
      try add("base_model", baseModel)
      try add("base_model_relation", "quantized")
    }
    try add("license", origin.license)
    try add("license_name", origin.licenseName)
    try add("license_link", origin.absoluteLicenseLink)
    try add("language", origin.languages)
    try add("library_name", card.hasGGUF ? "gguf" : "mlx")
    // What is described here runs on text; a checkpoint's card may name a task that its other parts serve.
    try add("pipeline_tag", origin.pipelineTag ?? "text-generation")
    try add("tags", tags)
    let body = try Yams.serialize(node: .mapping(Node.Mapping(pairs)), width: -1, allowUnicode: true)
    return "---\n\(body)---\n"
  }

  private var tags: [String] {
    var tags: [String] = []
    func add(_ tag: String) { if !tag.isEmpty, !tags.contains(tag) { tags.append(tag) } }
    if card.hasGGUF { add("gguf") }
    if card.hasMLX { add("mlx") }
    if card.isQuantized { add("quantized") }
    for file in card.files where !file.isVisionTower { add(file.tag) }
    add(card.architecture)
    add("pouch")
    return tags
  }
}

extension QuantizedCard {
  var hasGGUF: Bool { files.contains { $0.format == "GGUF" && !$0.isVisionTower } }
  var hasMLX: Bool { files.contains { $0.format == "MLX" } }
  /// Whether a file has weights of fewer bits than a checkpoint's.
  var isQuantized: Bool {
    files.contains { !$0.isVisionTower && !["F32", "F16", "BF16"].contains($0.type.uppercased()) }
  }
}

extension CardFile {
  /// The type as a tag: `q4_k_m`, `4-bit`, `mxfp4`.
  fileprivate var tag: String {
    guard format == "MLX" else { return type.lowercased() }
    let codes = type.prefix { $0 != "," }
    return codes.hasSuffix(" bits") ? codes.dropLast(5) + "-bit" : String(codes)
  }
}
