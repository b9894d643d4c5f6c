internal import TensorTypes

extension TypedKey where Value == Int {
  static var convolutionLength: Self { .required("shortconv.l_cache", in: 2...1024) }
}

extension ModelFamily.OwnKey {
  /// The length of short convolutions; the layers that have one are those without key and value heads.
  static let shortConvolution = Self(
    table: [TypedKey<Int>.convolutionLength.key],
    write: { $1.add(.convolutionLength, $0.model.shortConvolution?.kernelLength) },
    read: { keys, model in
      model.shortConvolution = ShortConvolution(
        width: model.hiddenSize, kernelLength: try keys.value(.convolutionLength))
    })
}
