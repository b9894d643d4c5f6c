internal import FileBytes
package import TensorTypes

extension TypedKey where Value == Int {
  static var visionTextWidth: Self { .required("vision.projection_dim", in: MetadataKey.dimension) }
  static var visionImageSize: Self { .required("vision.image_size", in: MetadataKey.dimension) }
  static var visionPatchSize: Self { .required("vision.patch_size", in: 1...1024) }
  static var visionWidth: Self { .required("vision.embedding_length", in: MetadataKey.dimension) }
  static var visionFeedForwardSize: Self { .required("vision.feed_forward_length", in: 1...(1 << 24)) }
  package static var visionBlockCount: Self { .required("vision.block_count", in: 1...1024) }
  static var visionHeadCount: Self { .required("vision.attention.head_count", in: 1...(1 << 16)) }
  static var visionMergeSize: Self { .optional("vision.spatial_merge_size", else: 2, in: 1...64) }
}

extension TypedKey where Value == Double {
  static var visionNormEpsilon: Self {
    .required("vision.attention.layer_norm_epsilon", in: .numbers(from: 0, to: 1, isOpen: false))
  }
}

extension TypedKey where Value == [Double] {
  static var visionMean: Self { .required("vision.image_mean", form: .fixedList(VisionTower.channelCount)) }
  static var visionDeviation: Self {
    .required(
      "vision.image_std", in: .numbers(from: 0, to: .infinity, isOpen: true),
      form: .fixedList(VisionTower.channelCount))
  }
}

extension TypedKey where Value == Bool {
  static var hasVision: Self { .required("has_vision_encoder") }
  static var visionUsesGELU: Self { .optional("use_gelu", else: false) }
}

extension TypedKey where Value == [Bool] {
  static var deepstackBlocks: Self {
    .optional("vision.is_deepstack_layers", as: "no deepstack", form: .perBlock)
  }
}

extension TypedKey where Value == String {
  package static var projectorType: Self {
    .required("projector_type", in: .texts(VisionFamily.all.map(\.projectorType)))
  }
}

extension VisionTower {
  /// The value of `general.architecture`.
  package static let architecture = "clip"
  /// The value of `general.type`.
  package static let fileKind = "mmproj"

  /// The keys of a file.
  package static let keys: [MetadataKey] =
    MetadataKey.flags(.hasVision, .visionUsesGELU)
    + MetadataKey.counts(
      .visionTextWidth, .visionImageSize, .visionPatchSize, .visionWidth, .visionFeedForwardSize,
      .visionBlockCount, .visionHeadCount, .visionMergeSize)
    + MetadataKey.reals(.visionNormEpsilon)
    + [
      TypedKey<[Double]>.visionMean.key, TypedKey<[Double]>.visionDeviation.key,
      TypedKey<[Bool]>.deepstackBlocks.key, TypedKey<String>.projectorType.key,
    ]

  /// All entries of a file, in the order and with the types of llama.cpp's converter.
  ///
  /// - Parameters:
  ///   - general: What all files say of themselves.
  ///   - fileType: The value of `general.file_type`.
  /// - Returns: The entries.
  func entries(_ general: GeneralMetadata, fileType: UInt32) -> [MetadataEntry] {
    var keys = KeyWriter(architecture: Self.architecture)
    keys.add(MetadataEntry("general.file_type", .uint32(fileType)))
    keys.add(.hasVision, true)
    keys.add(.visionTextWidth, textWidth)
    keys.add(.visionImageSize, imageSize)
    keys.add(.visionPatchSize, patchSize)
    keys.add(.visionWidth, width)
    keys.add(.visionFeedForwardSize, feedForwardSize)
    keys.add(.visionBlockCount, depth)
    keys.add(.visionHeadCount, headCount)
    keys.add(.visionMean, imageMean)
    keys.add(.visionDeviation, imageDeviation)
    keys.add(.projectorType, projectorType)
    keys.add(.visionUsesGELU, true)
    keys.add(.visionMergeSize, mergeSize)
    keys.add(.visionNormEpsilon, normEpsilon)
    keys.add(.deepstackBlocks, (0..<depth).map(deepstackBlocks.contains))
    return [
      MetadataEntry("general.architecture", .string(Self.architecture)),
      MetadataEntry("general.type", .string(Self.fileKind)),
    ] + general.entries + keys.entries + [MetadataEntry("general.quantization_version", .uint32(2))]
  }

  /// Reads a file's description of its tower.
  ///
  /// - Parameters:
  ///   - metadata: The entries.
  ///   - shapes: The shapes of the tensors, by name: positions and the width of the result stand there alone.
  ///   - file: The name for errors.
  /// - Throws: ``DescriptionError`` with `invalidMetadata`.
  package init(metadata: [MetadataEntry], shapes: [String: [Int]], file: String) throws {
    let keys = try KeyReader(metadata, file: file)
    guard keys.architecture == Self.architecture else {
      throw DescriptionError(
        .invalidMetadata,
        Fault(
          file: file, subject: "general.architecture", expected: Self.architecture, found: keys.architecture))
    }
    projectorType = try keys.value(.projectorType)
    textWidth = try keys.value(.visionTextWidth)
    imageSize = try keys.value(.visionImageSize)
    patchSize = try keys.value(.visionPatchSize)
    width = try keys.value(.visionWidth)
    feedForwardSize = try keys.value(.visionFeedForwardSize)
    depth = try keys.value(.visionBlockCount)
    headCount = try keys.value(.visionHeadCount)
    mergeSize = try keys.value(.visionMergeSize)
    normEpsilon = try keys.value(.visionNormEpsilon)
    imageMean = try keys.value(.visionMean)
    imageDeviation = try keys.value(.visionDeviation)
    let flags = try keys.stated(.deepstackBlocks) ?? []
    deepstackBlocks = flags.prefix(depth).indices.filter { flags[$0] }
    positionCount =
      shapes["v.position_embd.weight"]?.last ?? (imageSize / patchSize) * (imageSize / patchSize)
    outputWidth = textWidth
  }
}
