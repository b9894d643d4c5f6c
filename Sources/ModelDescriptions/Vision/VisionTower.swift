internal import FileBytes
internal import TensorTypes

/// A vision tower as the configuration of a checkpoint, or an `mmproj` file, describes it.
package struct VisionTower: Hashable, Sendable {
  /// The value of `clip.projector_type`.
  package var projectorType: String
  /// Values of a token's vector in the language model.
  package var textWidth: Int
  /// Blocks.
  package var depth: Int
  /// Values of a patch's vector.
  package var width: Int
  /// Inner width of the feed-forward networks.
  package var feedForwardSize: Int
  /// Heads of attention.
  package var headCount: Int
  /// Pixels of a patch in height and in width.
  package var patchSize: Int
  /// Pixels of the square picture that the learned positions are for, in height and in width.
  package var imageSize: Int
  /// Patches that become one token, in height and in width.
  package var mergeSize: Int
  /// Learned positions.
  package var positionCount: Int
  /// Values of what the mergers give.
  package var outputWidth: Int
  /// The blocks after which the language model gets features, in the order of their mergers.
  package var deepstackBlocks: [Int]
  /// What is added to the variance in norms.
  package var normEpsilon: Double
  /// The mean of each colour, which is taken off the pixels.
  package var imageMean: [Double]
  /// The deviation of each colour, by which the pixels are divided.
  package var imageDeviation: [Double]

  /// Colours of a picture.
  static let channelCount = 3
  /// Pictures that a patch reaches over: a video's patches are of two, a picture stands for both.
  static let frameCount = 2

  /// Reads a configuration.
  ///
  /// - Parameters:
  ///   - config: The configuration of the whole model.
  ///   - pictures: How pictures become pixels.
  /// - Throws: ``DescriptionError`` with `notSupported` or `invalidConfig`.
  package init(config: ModelConfig, pictures: PictureSettings) throws {
    let family = try VisionFamily.family(of: config)
    projectorType = family.projectorType
    textWidth = try config.integer("hidden_size")
    normEpsilon = try config.optionalNumber("rms_norm_eps") ?? 1e-6
    imageMean = pictures.mean
    imageDeviation = pictures.deviation
    let stated = config.document["vision_config"]?.members ?? [:]
    let all = family.defaults.merging(stated.filter { $0.value != .null }) { $1 }
    let vision = try ModelConfig(document: .object(all), file: config.file)
    do {
      depth = try vision.integer("depth", in: 1...1024)
      width = try vision.integer("hidden_size", in: 1...(1 << 20))
      feedForwardSize = try vision.integer("intermediate_size", in: 1...(1 << 24))
      headCount = try vision.integer("num_heads", in: 1...(1 << 16))
      patchSize = try vision.integer("patch_size", in: 1...1024)
      mergeSize = try vision.integer("spatial_merge_size", in: 1...64)
      outputWidth = try vision.integer("out_hidden_size", in: 1...(1 << 20))
      positionCount = try vision.integer("num_position_embeddings", in: 1...(1 << 24))
      imageSize =
        try vision.optionalInteger("image_size", in: 1...(1 << 20))
        ?? Int(Double(positionCount).squareRoot() * Double(patchSize))
      deepstackBlocks = try Self.deepstack(vision, depth: depth)
      guard width % headCount == 0 else {
        throw vision.invalid("num_heads", expected: "a divisor of the hidden size \(width)")
      }
      try Self.require(vision, "in_channels", Self.channelCount)
      try Self.require(vision, "temporal_patch_size", Self.frameCount)
      guard let activation = vision["hidden_act"]?.text, activation.hasPrefix("gelu") else {
        throw vision.invalid(
          "hidden_act", expected: "a gelu, the only function that llama.cpp has in this tower")
      }
    } catch var error as DescriptionError {
      error.fault.subject = "vision_config." + error.fault.subject
      throw error
    }
  }

  private static func require(_ vision: ModelConfig, _ key: String, _ value: Int) throws {
    guard try vision.integer(key) == value else {
      throw vision.invalid(key, expected: "\(value), which llama.cpp's file can carry alone")
    }
  }

  private static func deepstack(_ vision: ModelConfig, depth: Int) throws -> [Int] {
    guard let value = vision["deepstack_visual_indexes"] else { return [] }
    let blocks = value.elements?.compactMap(\.integer) ?? []
    guard let elements = value.elements, blocks.count == elements.count, Set(blocks).count == blocks.count,
      blocks.allSatisfy((0..<depth).contains)
    else {
      throw vision.invalid(
        "deepstack_visual_indexes", expected: "different numbers of blocks from 0 to \(depth - 1)")
    }
    return blocks
  }
}

/// How pictures become numbers: what `preprocessor_config.json` says.
package struct PictureSettings: Hashable, Sendable {
  /// The mean of each colour.
  package var mean: [Double]
  /// The deviation of each colour.
  package var deviation: [Double]

  /// Reads `preprocessor_config.json` of a folder and `processor_config.json`, which comes before it; one is enough.
  ///
  /// - Throws: `FileError` for a file that cannot be read, `TokenizerError` for what is no JSON, ``DescriptionError``
  ///   with `invalidConfig` for settings that are missing or make no sense.
  package init(folder: String) throws {
    let names = [
      ("processor_config.json", "image_processor"), ("preprocessor_config.json", "media_proc_cfg"),
    ]
    let main = folder + "/preprocessor_config.json"
    let documents = try names.compactMap { name, part -> (file: String, document: JSONValue, part: String)? in
      let path = folder + "/" + name
      return FileSystem.isFile(path) ? (path, try JSONValue(contentsOf: path), part) : nil
    }
    func colours(_ key: String) throws -> [Double] {
      for (file, document, part) in documents {
        guard let value = document[part]?[key] ?? document[key] else { continue }
        let numbers = (value.elements ?? []).compactMap(\.double).filter(\.isFinite)
        guard numbers.count == VisionTower.channelCount, value.elements?.count == numbers.count else {
          throw DescriptionError(
            .invalidConfig,
            Fault(
              file: file, subject: key, expected: "a number for each of red, green and blue",
              found: value.summary))
        }
        return numbers
      }
      throw DescriptionError(
        .invalidConfig,
        Fault(
          file: main, subject: key, expected: "a number for each of red, green and blue",
          found: documents.isEmpty ? "no such file" : "no such key",
          remedy:
            "fetch preprocessor_config.json from where the model is published; llama.cpp needs it to prepare "
            + "pictures"))
    }
    mean = try colours("image_mean")
    deviation = try colours("image_std")
    guard deviation.allSatisfy({ Float($0) > 0 }) else {
      throw DescriptionError(
        .invalidConfig,
        Fault(file: main, subject: "image_std", expected: "numbers above 0", found: "\(deviation)"))
    }
  }

  /// Settings by their values.
  package init(mean: [Double], deviation: [Double]) {
    self.mean = mean
    self.deviation = deviation
  }
}
