internal import CheckpointConversion
internal import FileBytes
internal import GGUFFormat
internal import ModelDescriptions
internal import TensorTypes

/// Whether a file of a vision tower (`mmproj`) has the keys and exactly the tensors that llama.cpp reads.
struct VisionCheck {
  let set: GGUFSplitSet

  /// Compares keys, names, shapes and types.
  func findings(file: String) -> [Finding] {
    let key = TypedKey.projectorType.name(in: VisionTower.architecture)
    if let projector = set.value(key)?.text,
      !VisionFamily.all.contains(where: { $0.projectorType == projector })
    {
      return [
        Finding(
          .note, .notChecked, key,
          expected: Set(VisionFamily.all.map(\.projectorType)).sorted().joined(separator: ", "),
          found: projector, remedy: "keys and tensors of other towers are not checked")
      ]
    }
    var metadata = MetadataCheck(metadata: set.metadata)
    metadata.runForVision()
    var findings = metadata.findings
    findings += TensorTypeCheck(tensors: set.tensors.map(\.info), purposes: set.purposes).findings(
      isKnownArchitecture: true)
    guard !metadata.findings.contains(where: { $0.severity == .error }) else { return findings }
    do {
      let shapes = Dictionary(set.tensors.map { ($0.info.name, $0.info.ggmlShape) }) { first, _ in first }
      let tower = try VisionTower(metadata: set.metadata, shapes: shapes, file: file)
      return findings + compare(tower.expectedTensors, with: shapes)
    } catch {
      guard let fault = (error as? any FaultError)?.fault else { return findings }
      return findings + [
        Finding(
          .error, .wrongValue, fault.subject, expected: fault.expected, found: fault.found,
          remedy: fault.remedy)
      ]
    }
  }

  private func compare(_ expected: [ExpectedTensor], with shapes: [String: [Int]]) -> [Finding] {
    let remedy = "convert the tower again"
    let differences = expected.compactMap { wanted -> Finding? in
      guard let found = shapes[wanted.name] else {
        return Finding(
          .error, .missingTensor, wanted.name, expected: "a tensor that the metadata call for",
          found: "none of this name", remedy: remedy)
      }
      guard TensorSetCheck.trimmed(found) != TensorSetCheck.trimmed(wanted.ggmlShape) else { return nil }
      return Finding(
        .error, .wrongShape, wanted.name, expected: "shape \(wanted.ggmlShape), as the metadata say",
        found: "\(found)", remedy: remedy)
    }
    let names = Set(expected.map(\.name))
    let extra = set.tensors.map(\.info.name).filter { !names.contains($0) }.map {
      Finding(
        .error, .extraTensor, $0, expected: "only tensors that the metadata call for",
        found: "one that this tower does not have", remedy: remedy)
    }
    return differences + extra
  }
}
