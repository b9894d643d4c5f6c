// What the signatures of this module are made of; one import is enough to use them.
@_exported public import struct FileBytes.CodedError
@_exported public import struct FileBytes.Fault
@_exported public import enum FileBytes.Setting
@_exported public import struct FileBytes.Wording
@_exported public import enum FileBytes.FaultClass
@_exported public import protocol FileBytes.FaultCode
@_exported public import protocol FileBytes.FaultError
@_exported public import typealias FileBytes.FileError
@_exported public import enum FileBytes.FileErrorCode
@_exported public import enum TensorCompute.ComputeMode
@_exported public import enum TensorTypes.MetadataArray
@_exported public import struct TensorTypes.MetadataEntry
@_exported public import enum TensorTypes.MetadataValue
@_exported public import enum TensorTypes.TensorType
