using Lathe.Hosting;
using Lathe.Pruner;

return await StageHost.RunAsync<PruneStage, PruneParameters>(args);
