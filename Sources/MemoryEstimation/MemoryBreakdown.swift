/// What running a model takes, part by part.
public struct MemoryBreakdown: Codable, Hashable, Sendable {
  /// One part.
  public struct Part: Codable, Hashable, Sendable {
    /// The kind of memory, one of ``Kind``'s values.
    public var kind: Kind
    /// A few words for people.
    public var name: String
    /// Its size.
    public var bytes: Int
    /// How the size comes about, with the numbers put in.
    public var formula: String
    /// Whether it follows from rules that can be checked (`exact`) or from measurements (`measured`).
    public var basis: Basis
  }

  /// Kinds of memory.
  public enum Kind: String, Codable, Hashable, Sendable {
    case weights
    case repackedWeights = "repacked-weights"
    case keyValueCache = "kv-cache"
    case recurrentState = "recurrent-state"
    case computeBuffer = "compute-buffer"
    case outputBuffer = "output-buffer"
    case tokenizer
    case overhead
  }

  /// How far a number can be trusted.
  public enum Basis: String, Codable, Hashable, Sendable {
    case exact
    case measured
  }

  /// The engine.
  public var engine: RunOptions.Engine
  /// The parts, in the order of ``Kind``.
  public var parts: [Part]
  /// Their sum.
  public var totalBytes: Int

  /// Adds parts up.
  ///
  /// - Throws: ``EstimationError`` with `overflow`.
  init(engine: RunOptions.Engine, parts: [Part]) throws {
    self.engine = engine
    self.parts = parts
    totalBytes = try Checked.sum("total", parts.map(\.bytes))
  }

  /// Bytes of one kind.
  public func bytes(of kind: Kind) -> Int { parts.reduce(0) { $0 + ($1.kind == kind ? $1.bytes : 0) } }
}
