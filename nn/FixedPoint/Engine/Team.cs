namespace Lathe.NN.FixedPoint.Engine;

/// <summary>Threads that do one piece of work together, again and again, without making anything new for it.</summary>
internal sealed class Team : IDisposable
{
    // About as long as the pause between two images of a stream; longer, and a thread sleeps.
    private const int Spins = 2_000;

    private readonly Thread[] _threads;
    private readonly Action<int> _work;
    // One for each thread: a fast thread must not consume the signal that was meant for another.
    private readonly SemaphoreSlim[] _starts;
    private int _round;
    private int _running;
    private int _arrived;
    private int _meeting;
    private volatile bool _ended;
    private Exception? _failure;

    /// <param name="size">Threads, the caller's included.</param>
    /// <param name="work">Takes the number of the thread, from 0, which is the caller's.</param>
    public Team(int size, Action<int> work)
    {
        Size = size;
        _work = work;
        _threads = new Thread[size - 1];
        _starts = [.. _threads.Select(_ => new SemaphoreSlim(0))];
        for (var i = 0; i < _threads.Length; i++)
        {
            var number = i + 1;
            _threads[i] = new Thread(() => Serve(number)) { IsBackground = true, Name = $"fixed point {number}" };
            _threads[i].Start();
        }
    }

    /// <summary>Number of threads.</summary>
    public int Size { get; }

    /// <summary>Has every thread do the work once.</summary>
    public void Run()
    {
        if (Size == 1)
        {
            _work(0);
            return;
        }

        Volatile.Write(ref _running, _threads.Length);
        Interlocked.Increment(ref _round);
        foreach (var start in _starts) start.Release();
        Attempt(0);
        var spin = default(SpinWait);
        while (Volatile.Read(ref _running) > 0) spin.SpinOnce(sleep1Threshold: -1);
        if (Interlocked.Exchange(ref _failure, null) is { } failure) throw new InvalidOperationException("fixed-point inference failed", failure);
    }

    /// <summary>Waits, within the work, until every thread has come here.</summary>
    public void Meet()
    {
        if (Size == 1) return;
        var meeting = Volatile.Read(ref _meeting);
        if (Interlocked.Increment(ref _arrived) == Size)
        {
            Volatile.Write(ref _arrived, 0);
            Interlocked.Increment(ref _meeting);
            return;
        }

        var spin = default(SpinWait);
        while (Volatile.Read(ref _meeting) == meeting && Volatile.Read(ref _failure) is null) spin.SpinOnce(sleep1Threshold: -1);
    }

    public void Dispose()
    {
        _ended = true;
        foreach (var start in _starts) start.Release();
        foreach (var thread in _threads) thread.Join();
        foreach (var start in _starts) start.Dispose();
    }

    private void Serve(int number)
    {
        var done = 0;
        while (true)
        {
            var spin = default(SpinWait);
            for (var i = 0; i < Spins && Volatile.Read(ref _round) == done && !_ended; i++) spin.SpinOnce(sleep1Threshold: -1);
            _starts[number - 1].Wait();
            if (_ended) return;
            done = Volatile.Read(ref _round);
            Attempt(number);
            Interlocked.Decrement(ref _running);
        }
    }

    private void Attempt(int number)
    {
        try
        {
            _work(number);
        }
#pragma warning disable CA1031 // Thrown again on the caller's thread.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Interlocked.CompareExchange(ref _failure, e, null);
        }
    }
}
