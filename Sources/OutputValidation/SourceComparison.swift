/// How a file relates to the source that it is compared with.
public struct SourceComparison: Codable, Hashable, Sendable {
  /// What the comparison says of a tensor, an expert or a whole file.
  public enum Verdict: String, Codable, Hashable, Sendable {
    /// Quantizing the source gives the same bytes.
    case exact
    /// The same weights in the same types, by another search, importance data or intermediate type.
    case sameRecipe = "same recipe, other rounding"
    /// The bytes that quantizing the source to the file's types gives, but these are not the recipe's.
    case otherTypes = "exact, in other types than the recipe's"
    /// The bytes that quantizing the source gives, but for a few blocks.
    case damaged = "exact but for damaged blocks"
    /// Other weights, or the same ones in another order.
    case notFromSource = "not from this source"
  }

  /// One matrix of a stack.
  public struct Expert: Codable, Hashable, Sendable {
    /// Its number.
    public var expert: Int
    /// Root of the mean squared difference from the source.
    public var rmse: Double
    /// The same, divided by the root of the mean square of the source.
    public var relativeError: Double
    /// The relative error that quantizing the source here has.
    public var requantizedError: Double
    /// The cosine of the angle between file and source.
    public var cosine: Double
    /// Blocks whose bytes differ from those that quantizing the source gives.
    public var differingBlocks: Int
    /// What that means.
    public var verdict: Verdict
  }

  /// One tensor.
  public struct Tensor: Codable, Hashable, Sendable {
    /// Its name.
    public var name: String
    /// Its type in the file.
    public var type: String
    /// What the comparison says.
    public var verdict: Verdict
    /// What is wrong with it, in words; `nil` when nothing is.
    public var diagnosis: String?
    /// Root of the mean squared difference from the source.
    public var rmse: Double
    /// The same, divided by the root of the mean square of the source.
    public var relativeError: Double
    /// The relative error that quantizing the source here has.
    public var requantizedError: Double
    /// The cosine of the angle between file and source.
    public var cosine: Double
    /// Blocks (32 values for float types).
    public var blocks: Int
    /// Blocks whose bytes differ from those that quantizing the source gives.
    public var differingBlocks: Int
    /// Where the block with the largest error is.
    public var worstBlock: String
    /// The root mean square error of that block.
    public var worstBlockRMSE: Double
    /// Every expert; empty for single matrices.
    public var experts: [Expert]
  }

  /// The checkpoint folder or GGUF.
  public var source: String
  /// What the comparison says of the file as a whole.
  public var verdict: Verdict
  /// Whether importance data was given for quantizing the source.
  public var withImportance: Bool
  /// Tensors that were compared.
  public var comparedTensors: Int
  /// Tensors whose bytes are those that quantizing the source gives.
  public var exactTensors: Int
  /// Weights that were compared.
  public var weights: Int
  /// The relative error over all weights.
  public var relativeError: Double
  /// Seconds that the comparison took.
  public var seconds: Double
  /// Bytes of the buffers of all threads.
  public var bufferBytes: Int
  /// How the inputs at hand relate to those that the file names; `nil` when it names none.
  public var inputs: ProvenanceMatch?
  /// Every tensor, worst first.
  public var tensors: [Tensor]
}
