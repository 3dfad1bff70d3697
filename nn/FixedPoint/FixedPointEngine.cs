using System.Runtime.InteropServices;
using Lathe.Contracts;
using Lathe.NN.FixedPoint.Engine;

namespace Lathe.NN.FixedPoint;

/// <summary>
/// Runs a network of whole numbers fast: packed weights, sums of bytes and levels in 32 bits, no float and no allocation. Every instruction
/// set and every number of threads give the same bits, those of <see cref="FixedPointReference"/>. Not for use by two callers at once.
/// </summary>
public sealed unsafe class FixedPointEngine : IDisposable
{
    private const nuint Alignment = 64;
    private const int Slack = 64;

    private readonly PreparedStep[] _steps;
    private readonly ArenaPlan _plan;
    private readonly Scratch[] _scratch;
    private readonly nint[] _arenas;
    private readonly List<nint> _memory = [];
    private readonly Team _team;
    private readonly int _inputOffset;
    private readonly int _inputLength;
    private byte* _images;
    private int* _logits;
    private int _count;
    private int _next;
    private bool _together;

    /// <param name="network">What to run. It is not kept: the weights are packed.</param>
    /// <param name="threads">1 to 256. Several images are shared among them; one image's layers are.</param>
    /// <param name="set">What to compute with; null: the best that this machine has.</param>
    /// <exception cref="LatheException">This machine does not have the instructions.</exception>
    public FixedPointEngine(FixedPointNetwork network, int threads = 1, InstructionSet? set = null)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(threads, Math.Clamp(threads, 1, 256));
        Set = set ?? Kernels.Best;
        if (Set > Kernels.Last) throw new LatheException($"this machine has no {Set}; the best that it has is {Kernels.Best}");
        Classes = network.Classes;
        _plan = ArenaPlan.Of(network);
        _steps = [.. network.Steps.Select(step => StepPreparation.Prepare(step, network, _plan, Set))];
        (_inputOffset, _inputLength) = (_plan.Offsets[network.Input], network.Tensors[network.Input].Length);
        var size = _steps.Aggregate(new ScratchSize(), (most, step) => most.Or(step.Scratch));
        _arenas = [.. Enumerable.Range(0, threads).Select(_ => Allocate(_plan.Length + size.ReadAhead + Slack))];
        _scratch = [.. Enumerable.Range(0, threads).Select(_ => new Scratch(
            Allocate(size.Rows + size.ReadAhead + Slack), Allocate(size.Strip + Slack), Allocate((size.Sums * sizeof(int)) + Slack), Allocate(size.Image + Slack)))];
        WorkspaceBytes = _plan.Length + size.Rows + size.Strip + (size.Sums * sizeof(int)) + size.Image + (2L * size.ReadAhead) + (5 * Slack);
        _team = new Team(threads, Work);
    }

    /// <summary>What this machine can compute with, slowest first; the last may be another's, in place of which slower instructions give the same bits.</summary>
    public static IReadOnlyList<InstructionSet> Sets { get; } = [.. Enum.GetValues<InstructionSet>().Where(set => set <= Kernels.Last)];

    /// <summary>Instructions that it computes with.</summary>
    public InstructionSet Set { get; }

    /// <summary>Number of logits.</summary>
    public int Classes { get; }

    /// <summary>Bytes of weights, maps and tables in memory.</summary>
    public long ModelBytes => _steps.Sum(step => step.ModelBytes);

    /// <summary>Bytes of activations and scratch in memory, of one thread.</summary>
    public long WorkspaceBytes { get; }

    /// <summary>Computes the logits of one or more images.</summary>
    /// <param name="images">Bytes of the input tensor, image after image; see <see cref="ImageBytes"/>.</param>
    /// <param name="logits">Takes <see cref="Classes"/> numbers for each.</param>
    public void Run(ReadOnlySpan<byte> images, Span<int> logits)
    {
        var count = images.Length / _inputLength;
        if (images.Length != count * _inputLength || logits.Length != count * Classes)
            throw new ArgumentException($"{images.Length} bytes and {logits.Length} logits given; an image has {_inputLength} bytes and {Classes} logits");
        fixed (byte* first = images)
        fixed (int* result = logits)
        {
            _images = first;
            _logits = result;
            (_count, _next) = (count, 0);
            _together = count < _team.Size;
            _team.Run();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _team.Dispose();
        foreach (var memory in _memory) NativeMemory.AlignedFree((void*)memory);
        _memory.Clear();
    }

    private void Work(int thread)
    {
        if (_together)
        {
            for (var image = 0; image < _count; image++) RunTogether(image, thread);
            return;
        }

        for (var image = Interlocked.Increment(ref _next) - 1; image < _count; image = Interlocked.Increment(ref _next) - 1)
        {
            var arena = (byte*)_arenas[thread];
            Enter(image, arena);
            foreach (var step in _steps) step.Run(arena, _logits + ((nint)image * Classes), _scratch[thread], 0, 1);
        }
    }

    private void RunTogether(int image, int thread)
    {
        var arena = (byte*)_arenas[0];
        if (thread == 0) Enter(image, arena);
        _team.Meet();
        foreach (var step in _steps)
        {
            step.Run(arena, _logits + ((nint)image * Classes), _scratch[thread], thread, _team.Size);
            _team.Meet();
        }
    }

    private void Enter(int image, byte* arena) =>
        Buffer.MemoryCopy(_images + ((nint)image * _inputLength), arena + _inputOffset, _inputLength, _inputLength);

    private nint Allocate(int bytes)
    {
        var memory = (nint)NativeMemory.AlignedAlloc((nuint)bytes, Alignment);
        new Span<byte>((void*)memory, bytes).Clear();
        _memory.Add(memory);
        return memory;
    }
}
