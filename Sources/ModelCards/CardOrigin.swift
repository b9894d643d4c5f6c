internal import CheckpointConversion
internal import FileBytes
internal import TensorTypes

/// What is known of the model that was quantized.
package struct CardOrigin: Codable, Sendable {
  /// The name in words, or that of the repository.
  package var name: String?
  /// `org/name` on the Hub.
  package var baseModel: String?
  /// The commit on the Hub, of a checkpoint in its cache.
  package var commit: String?
  /// The licence, as the checkpoint's own card or the GGUF names it.
  package var license: String?
  /// The name of a licence that the Hub does not list.
  package var licenseName: String?
  /// Where its text is.
  package var licenseLink: String?
  /// The task, as the checkpoint's own card names it.
  package var pipelineTag: String?
  /// Languages.
  package var languages: [String] = []

  /// Nothing known.
  init() {}

  /// What a GGUF says.
  init(gguf metadata: [MetadataEntry]) {
    func text(_ key: String) -> String? {
      let text = metadata.first { $0.key == "general." + key }?.value.text
      return text?.isEmpty == false ? text : nil
    }
    name = text("name")
    license = text("license")
    licenseName = text("license.name")
    licenseLink = text("license.link")
    if case .array(.string(let texts)) = metadata.first(where: { $0.key == "general.languages" })?.value {
      languages = texts
    }
  }

  /// What the folder of a checkpoint says: its `README.md`, and its place in the cache of the Hub's clients.
  init(checkpoint path: String, notices: inout [String]) throws {
    let folder = ModelFolder(path)
    name = folder.modelName
    baseModel = folder.hubRepository
    if folder.hubRepository != nil { commit = folder.name }
    let readme = path + "/README.md"
    guard FileSystem.isFile(readme) else { return }
    let bytes = try ReadableFile.contents(of: readme, limit: 16 << 20)
    let card = CheckpointCard(readme: String(decoding: bytes, as: UTF8.self), file: readme)
    license = card.license
    licenseName = card.licenseName
    licenseLink = card.licenseLink
    pipelineTag = card.pipelineTag
    languages = card.languages
    notices += card.notices
  }

  /// Leaves out a link that does not lead to a page or a file of the base model.
  ///
  /// - Returns: What was left out.
  mutating func checkLink() -> [String] {
    guard let link = licenseLink else { return [] }
    guard PlainNames.isLink(link) else {
      licenseLink = nil
      return [
        "license_link is left out: it is neither a page on the web nor a file of the repository: \(PlainNames.shown(link))"
      ]
    }
    guard absoluteLicenseLink != nil else {
      return ["license_link is left out: \(link) is a file of the base model, which has no name here"]
    }
    return []
  }

  /// The same, with what another source knows besides.
  func completed(by other: CardOrigin) -> CardOrigin {
    var origin = self
    origin.name = name ?? other.name
    origin.baseModel = baseModel ?? other.baseModel
    origin.pipelineTag = pipelineTag ?? other.pipelineTag
    if languages.isEmpty { origin.languages = other.languages }
    // A licence with its name and its text comes from one source.
    if license == nil, licenseName == nil, licenseLink == nil {
      (origin.license, origin.licenseName, origin.licenseLink) = (
        other.license, other.licenseName, other.licenseLink
      )
    }
    return origin
  }

  /// The link to the licence as it works from another repository: what is relative is relative to the base model.
  var absoluteLicenseLink: String? {
    guard let licenseLink else { return nil }
    if licenseLink.firstMatch(of: /(?i)^https?:/) != nil { return licenseLink }
    return baseModel.map { "https://huggingface.co/\($0)/blob/main/\(MarkdownText.destination(licenseLink))" }
  }

  /// The hash by which files name the `config.json` of their checkpoint.
  static func configHash(_ folder: String) throws -> String {
    Provenance.text(try Provenance.configHash(ofCheckpoint: folder))
  }

  /// Refuses a text that is no name on the Hub.
  static func checkBaseModel(_ text: String) throws {
    guard text.wholeMatch(of: /[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*/) == nil else { return }
    throw CardError(
      .badBaseModel,
      Fault(subject: "\(.baseModel)", expected: "org/name, as on the Hugging Face Hub", found: "\"\(text)\""))
  }
}
