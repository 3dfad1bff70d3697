namespace Lathe.Graph;

/// <summary>
/// Adaptive average pooling as a product with a constant matrix, for windows that are not of one size: row y of A [outputs, inputs]
/// averages inputs ⌊y·inputs/outputs⌋ up to ⌈(y+1)·inputs/outputs⌉. Windows of height and width are independent, so that
/// A·X·Bᵀ is the mean over both.
/// </summary>
internal static class AdaptiveWindows
{
    /// <summary>Windows of one size that neither overlap nor leave anything out.</summary>
    public static bool AreEqual(int inputs, int outputs) => inputs % outputs == 0;

    /// <summary>The first input of each output's window, and how many there are.</summary>
    public static (int First, int Count)[] Of(int inputs, int outputs) => [.. Enumerable.Range(0, outputs).Select(y =>
    {
        var first = (int)((long)y * inputs / outputs);
        return (first, (int)((((y + 1L) * inputs) + outputs - 1) / outputs) - first);
    })];

    /// <summary>A, row by row.</summary>
    public static float[] Matrix(int inputs, int outputs) => Matrix(inputs, outputs, areSums: false);

    /// <summary>Aᵀ, row by row.</summary>
    public static float[] Transposed(int inputs, int outputs) => Transposed(inputs, outputs, areSums: false);

    /// <summary>A, or with sums in the place of means.</summary>
    public static float[] Matrix(int inputs, int outputs, bool areSums)
    {
        var matrix = new float[outputs * inputs];
        foreach (var (y, (first, count)) in Of(inputs, outputs).Index()) matrix.AsSpan((y * inputs) + first, count).Fill(areSums ? 1 : 1f / count);
        return matrix;
    }

    /// <summary>Aᵀ likewise.</summary>
    public static float[] Transposed(int inputs, int outputs, bool areSums)
    {
        var (matrix, transposed) = (Matrix(inputs, outputs, areSums), new float[inputs * outputs]);
        for (var i = 0; i < matrix.Length; i++)
            transposed[(i % inputs * outputs) + (i / inputs)] = matrix[i];
        return transposed;
    }
}
