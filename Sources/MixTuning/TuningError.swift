public import FileBytes

/// What is wrong with what a mix is to be tuned from, or with the mix.
public enum TuningErrorCode: FaultCode {
  /// No rule of a recipe can give groups the types that were chosen for them.
  case groupNotExpressible
}

/// An error of tuning.
public typealias TuningError = CodedError<TuningErrorCode>
