package import FileBytes

/// What is wrong with what a mix is to be tuned from, or with the mix.
package enum TuningErrorCode: FaultCode {
  /// No rule of a recipe can give groups the types that were chosen for them.
  case groupNotExpressible
  /// A model whose tensors cannot be chosen types for.
  case notTunable
  /// A type that groups cannot get.
  case badType
  /// A table that is not whole, or whose numbers make no sense.
  case badTable
  /// A table of another model, text, importance data or procedure.
  case otherTable
  /// A budget that no mix meets, or that every mix meets.
  case budgetOutOfReach
  /// A role that the model has not, or a constraint that leaves a group without a type.
  case badConstraint
  /// Too few windows of text.
  case textTooShort
}

/// An error of tuning.
package typealias TuningError = CodedError<TuningErrorCode>
