namespace Lathe.NN.FixedPoint.Engine;

/// <summary>Memory of a thread that runs steps: nothing in it outlasts a step.</summary>
/// <param name="Rows">Bytes of several outputs' inputs, in a row each.</param>
/// <param name="Strip">An unpacked strip of levels.</param>
/// <param name="Sums">Sums of four rows, twice; or of every channel.</param>
/// <param name="Image">A tensor with its border.</param>
internal readonly unsafe record struct Scratch(nint Rows, nint Strip, nint Sums, nint Image)
{
    public byte* ImageBytes => (byte*)Image;

    public byte* RowBytes => (byte*)Rows;

    public sbyte* Levels => (sbyte*)Strip;

    public int* SumNumbers => (int*)Sums;
}

/// <summary>How much scratch a step needs.</summary>
/// <param name="Rows">Bytes.</param>
/// <param name="Strip">Bytes.</param>
/// <param name="Sums">32-bit numbers.</param>
/// <param name="Image">Bytes.</param>
/// <param name="ReadAhead">Bytes after a tensor's end that may be read but are not used.</param>
internal sealed record ScratchSize(int Rows = 0, int Strip = 0, int Sums = 0, int Image = 0, int ReadAhead = 0)
{
    public ScratchSize Or(ScratchSize other) => new(
        Math.Max(Rows, other.Rows), Math.Max(Strip, other.Strip), Math.Max(Sums, other.Sums), Math.Max(Image, other.Image), Math.Max(ReadAhead, other.ReadAhead));
}

/// <summary>A step that is ready to run.</summary>
internal abstract unsafe class PreparedStep
{
    /// <summary>Scratch that it needs.</summary>
    public virtual ScratchSize Scratch { get; } = new();

    /// <summary>Bytes of weights, maps and tables.</summary>
    public virtual long ModelBytes => 0;

    /// <summary>Does one of several equal parts of the step.</summary>
    /// <param name="arena">Memory of all tensors.</param>
    /// <param name="logits">Takes the logits.</param>
    /// <param name="scratch">Of this thread.</param>
    /// <param name="part">From 0.</param>
    /// <param name="parts">How many there are.</param>
    public abstract void Run(byte* arena, int* logits, Scratch scratch, int part, int parts);

    /// <summary>The range of one part.</summary>
    protected static (int First, int End) Share(int count, int part, int parts) =>
        ((int)((long)count * part / parts), (int)((long)count * (part + 1) / parts));
}
