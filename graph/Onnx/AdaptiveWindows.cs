namespace Lathe.Graph.Onnx;

/// <summary>
/// Adaptive average pooling as a product with a constant matrix, for windows that are not of one size: row y of A [outputs, inputs]
/// averages inputs ⌊y·inputs/outputs⌋ up to ⌈(y+1)·inputs/outputs⌉. Windows of height and width are independent, so that
/// A·X·Bᵀ is the mean over both.
/// </summary>
internal static class AdaptiveWindows
{
    /// <summary>Windows of one size that neither overlap nor leave anything out.</summary>
    public static bool AreEqual(int inputs, int outputs) => inputs % outputs == 0;

    /// <summary>A, row by row.</summary>
    public static float[] Matrix(int inputs, int outputs)
    {
        var matrix = new float[outputs * inputs];
        for (var y = 0; y < outputs; y++)
        {
            var from = (int)((long)y * inputs / outputs);
            var to = (int)((((y + 1L) * inputs) + outputs - 1) / outputs);
            matrix.AsSpan((y * inputs) + from, to - from).Fill(1f / (to - from));
        }

        return matrix;
    }

    /// <summary>Aᵀ, row by row.</summary>
    public static float[] Transposed(int inputs, int outputs)
    {
        var (matrix, transposed) = (Matrix(inputs, outputs), new float[inputs * outputs]);
        for (var i = 0; i < matrix.Length; i++)
            transposed[(i % inputs * outputs) + (i / inputs)] = matrix[i];
        return transposed;
    }
}
