namespace Lathe.Exports.TfLite;

/// <summary>Types of tensors, by their numbers in TFLite's schema.</summary>
internal enum TfLiteType : byte
{
    Float32 = 0,
    Int32 = 2,
    Int8 = 9,

    /// <summary>Two numbers of four bits in a byte, the first in its lower half.</summary>
    Int4 = 17,
}

/// <summary>Operators, by their numbers in TFLite's schema.</summary>
internal enum TfLiteOperator
{
    Add = 0,
    Concatenation = 2,
    Conv2D = 3,
    DepthwiseConv2D = 4,
    Dequantize = 6,
    FullyConnected = 9,
    MaxPool2D = 17,
    Mul = 18,
    Reshape = 22,
    Pad = 34,
    Gather = 36,
    Transpose = 39,
    Cast = 53,
    PadV2 = 60,
    Quantize = 114,
}

/// <summary>Tables of an operator's options, by their numbers in the union of TFLite's schema.</summary>
internal enum TfLiteOptions : byte
{
    None = 0,
    Conv2D = 1,
    DepthwiseConv2D = 2,
    Pool2D = 5,
    FullyConnected = 8,
    Concatenation = 10,
    Add = 11,
    Reshape = 17,
    Mul = 21,
    Gather = 23,
    Cast = 37,
}

/// <summary>What is around an image where a window reaches beyond it.</summary>
internal enum TfLitePadding : byte
{
    /// <summary>As many zeros as ⌈extent / stride⌉ outputs need; of an odd number, one more behind than before.</summary>
    Same = 0,

    /// <summary>Nothing.</summary>
    Valid = 1,
}

/// <summary>Activation that an operator ends with.</summary>
internal enum TfLiteActivation : byte
{
    None = 0,
    Relu = 1,
    Relu6 = 3,
}

/// <summary>Numbers of the fields of TFLite's tables, and what readers and writers of a file share.</summary>
internal static class TfLiteFields
{
    public const string FileIdentifier = "TFL3";
    public const uint Version = 3;
    public const int ModelVersion = 0, ModelCodes = 1, ModelSubgraphs = 2, ModelDescription = 3, ModelBuffers = 4, ModelMetadata = 6, ModelSignatures = 7, ModelCount = 8;
    public const int SubgraphTensors = 0, SubgraphInputs = 1, SubgraphOutputs = 2, SubgraphOperators = 3, SubgraphName = 4, SubgraphCount = 5;
    public const int TensorShape = 0, TensorType = 1, TensorBuffer = 2, TensorName = 3, TensorQuantization = 4, TensorCount = 5;
    public const int QuantizationScale = 2, QuantizationZero = 3, QuantizationDimension = 6, QuantizationCount = 7;
    public const int CodeDeprecated = 0, CodeVersion = 2, CodeBuiltin = 3, CodeCount = 4;
    public const int OperatorCode = 0, OperatorInputs = 1, OperatorOutputs = 2, OperatorOptionsType = 3, OperatorOptions = 4, OperatorCount = 5;
    public const int BufferData = 0, BufferCount = 1;
    public const int MetadataName = 0, MetadataBuffer = 1, MetadataCount = 2;
    public const int SignatureInputs = 0, SignatureOutputs = 1, SignatureKey = 2, SignatureCount = 3;
    public const int NamedName = 0, NamedTensor = 1, NamedCount = 2;

    // Options of convolutions; of depthwise ones those after the strides come one later, behind the number of outputs of each channel.
    public const int ConvPadding = 0, ConvStrideWidth = 1, ConvStrideHeight = 2, ConvActivation = 3, ConvDilationWidth = 4, ConvDilationHeight = 5;
    public const int DepthMultiplier = 3;
    public const int PoolPadding = 0, PoolStrideWidth = 1, PoolStrideHeight = 2, PoolWidth = 3, PoolHeight = 4;
}
