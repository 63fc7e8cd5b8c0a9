import '../tools/cluster/command.ts';
