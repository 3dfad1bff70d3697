using Lathe.Examples.LowRank;
using Lathe.Hosting;

return await StageHost.RunAsync<LowRankStage, LowRankParameters>(args);
