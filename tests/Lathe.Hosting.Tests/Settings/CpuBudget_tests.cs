namespace Lathe.Hosting.Tests;

public sealed class CpuBudgetTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory();

    public void Dispose() => _root.Delete(recursive: true);

    [Fact]
    public void Affinity_counts_ranges_and_single_cpus()
    {
        Write("proc/self/status", "Name:\tlathe\nCpus_allowed_list:\t0-3,8,10-11\n");
        Assert.Equal(7, CpuBudget.Read(_root.FullName));
    }

    [Theory]
    [InlineData("max 100000", 8)]
    [InlineData("250000 100000", 2)]
    [InlineData("50000 100000", 1)]
    [InlineData("nonsense", 8)]
    public void A_quota_of_control_groups_2_is_rounded_down(string quota, int cpus)
    {
        Write("proc/self/status", "Cpus_allowed_list:\t0-7\n");
        Write("proc/self/cgroup", "0::/lathe/worker\n");
        Write("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n");
        Write("sys/fs/cgroup/lathe/worker/cpu.max", quota + "\n");
        Assert.Equal(cpus, CpuBudget.Read(_root.FullName));
    }

    [Fact]
    public void The_smallest_quota_of_the_groups_around_the_process_counts()
    {
        Write("proc/self/status", "Cpus_allowed_list:\t0-7\n");
        Write("proc/self/cgroup", "0::/lathe/worker\n");
        Write("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n");
        Write("sys/fs/cgroup/lathe/worker/cpu.max", "600000 100000\n");
        Write("sys/fs/cgroup/lathe/cpu.max", "300000 100000\n");
        Assert.Equal(3, CpuBudget.Read(_root.FullName));
    }

    [Fact]
    public void A_quota_of_control_groups_1_is_found_where_the_container_sees_it()
    {
        Write("proc/self/status", "Cpus_allowed_list:\t0-7\n");
        Write("proc/self/cgroup", "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n");
        Write("proc/self/mountinfo", "30 23 0:26 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n");
        Write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "400000\n");
        Write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
        Assert.Equal(4, CpuBudget.Read(_root.FullName));

        Write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
        Assert.Equal(8, CpuBudget.Read(_root.FullName));
    }

    [Fact]
    public void This_machine_has_at_least_one()
    {
        Assert.InRange(CpuBudget.OfProcess, 1, Environment.ProcessorCount);
    }

    [Fact]
    public void A_quota_that_the_kernel_keeps_is_rounded_down()
    {
        using var group = QuotaGroup.Make(cpus: 1.5);
        Assert.SkipWhen(group is null, "no control group with a CPU quota can be made here: that needs root and a cpu controller that can be written");
        var member = group.Start();
        // This process stays outside: what it sees of the other as its own is the kernel's own files.
        Directory.CreateDirectory(Path.Combine(_root.FullName, "proc"));
        File.CreateSymbolicLink(Path.Combine(_root.FullName, "proc", "self"), $"/proc/{member.Id}");
        File.CreateSymbolicLink(Path.Combine(_root.FullName, "sys"), "/sys");
        Assert.Equal(1, CpuBudget.Read(_root.FullName));
        group.Allow(cpus: 2.5);
        Assert.Equal(Math.Min(2, Environment.ProcessorCount), CpuBudget.Read(_root.FullName));
    }

    private void Write(string path, string text)
    {
        var file = Path.Combine(_root.FullName, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }
}
